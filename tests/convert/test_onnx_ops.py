"""Every op in ONNX, in every operator set that is written, against onnxruntime."""

import numpy as np
import pytest
from kit.in_onnxruntime import Calls, run

import minidnn
from minidnn import convert, nn, ops

onnx = pytest.importorskip("onnx")
from onnx import defs  # noqa: E402

from minidnn.convert.onnx.exporting import OLDEST  # noqa: E402
from minidnn.convert.onnx.forms import FORMS  # noqa: E402

OPSETS = (13, 14, 17, 18, 20, 21)
"""The operator sets in which a form changes, up to the newest that onnxruntime reads."""

X = np.random.default_rng(5).normal(size=(4, 6)).astype(np.float32)
C = np.linspace(-1, 1, 6, dtype=np.float32)
BAGS = np.array([[1, 2, 0], [0, 0, 0], [8, 8, 3], [4, 5, 6]])

NO_FORM = {
    "batch_norm": "training",
    "rrelu": "training; leaky_relu in evaluation",
    "softmax_cross_entropy": "a loss",
    "l1_l2_penalty": "a penalty",
    "clip_by_norm": "made of other ops",
    "compare": "recorded as less, equal, ...",
}
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}

CALLS = {
    "abs": ops.abs, "add": lambda x: x + C, "clip": lambda x: ops.clip(ops.clip(x, -0.5), None, 0.5),
    "batch_norm_eval": nn.BatchNorm(6), "layer_norm": nn.LayerNorm(6), "prelu": nn.PReLU(6), "dense": nn.Dense(6, 3),
    "concatenate": lambda x: ops.concatenate([x, x * 2.0, C + x * 0.0], axis=-1),
    "dense_transposed": lambda x: ops.dense_transposed(x, np.ones((2, 6), np.float32), np.zeros(2, np.float32), "tanh"),
    "divide": lambda x: 2.0 / (x * x + 1.0), "dropout": nn.Dropout(0.3), "exp": ops.exp, "erf": ops.erf,
    "embedding": nn.Embedding(9, 3), "embedding_bag": nn.EmbeddingBag(9, 3, padding=0),
    "equal": lambda x: ops.where(x == x * 1.0, x, 0.0), "not_equal": lambda x: ops.where(x != 0.0, x, 1.0),
    "less": lambda x: ops.where(x < 0.0, x, C), "less_equal": lambda x: ops.where(x <= 0.1, x, C),
    "greater": lambda x: ops.where(x > C, x, 2.0), "greater_equal": lambda x: ops.where(x >= 0.0, 0.0, x),
    "gather": lambda x: ops.gather(x, np.array([[5, 0, 5]]), 1),
    "getitem": lambda x: x[:, 1:5:2] + x[..., -1:] + x[:, None, 2],
    "log": lambda x: ops.log(x * x + 0.5), "log_softmax": ops.log_softmax, "softmax": ops.softmax,
    "matmul": lambda x: x @ np.ones((6, 2), np.float32), "max": lambda x: ops.max(x, 1, keepdims=True),
    "maximum": lambda x: ops.maximum(x, 0.3), "mean": lambda x: ops.mean(x, axis=(1,)),
    "min": lambda x: ops.min(x, -1), "minimum": lambda x: ops.minimum(x, C), "multiply": lambda x: x * C,
    "negative": lambda x: -x, "pad": lambda x: ops.pad(x, ((0, 0), (1, 2)), 0.5),
    "power": lambda x: (x * x) ** 1.5, "reshape": lambda x: ops.reshape(x, (-1, 2, 3)),
    "sqrt": lambda x: ops.sqrt(x * x + 1.0), "stack": lambda x: ops.stack([x, -x], axis=1),
    "subtract": lambda x: C - x, "sum": lambda x: ops.sum(ops.sum(x, 1, keepdims=True), 1),
    "transpose": lambda x: ops.transpose(ops.reshape(x, (-1, 2, 3)), (0, 2, 1)),
    "var": lambda x: ops.var(x, 1, keepdims=True), "where": lambda x: ops.where(x > 0.0, x, x * 0.1),
    "elu": lambda x: ops.elu(x, 0.7), "leaky_relu": lambda x: ops.leaky_relu(x, 0.2),
}  # fmt: skip


def model_of(op):
    call = CALLS.get(op) or getattr(ops, op)
    return call.eval() if isinstance(call, nn.Module) else Calls(call).eval()


def example(op):
    """The shape of an example, and some of them."""
    return ((3,), BAGS) if op.startswith("embedding") else ((6,), X)


COMPOSED = {"glu", "maxout"}
"""Ops that are composed of other ops."""


def test_every_op_has_a_form_or_a_reason():
    assert set(FORMS) | set(NO_FORM) | COMPOSED == {*ops.__all__} | COMPARISONS
    assert set(CALLS) <= set(FORMS)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("op", FORMS)
def test_op(op, opset):
    model = model_of(op)
    shape, x = example(op)
    proto = convert.to_onnx(model, input_shape=shape, opset=opset)
    assert proto.opset_import[0].version == opset
    axes = proto.graph.input[0].type.tensor_type.shape.dim
    assert axes[0].dim_param == "batch"
    (y,) = run(proto, x)
    np.testing.assert_allclose(y, model(x).data, rtol=1e-5, atol=1e-6)
    for rows in (1, 3):
        np.testing.assert_allclose(run(proto, x[:rows])[0], model(x[:rows]).data, rtol=1e-5, atol=1e-6)


NOT_THE_SAME_BITS = {
    "layer_norm": "below operator set 17 it is imported as the ops that it is composed of",
    "var": "is imported as a mean of squares",
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("op", FORMS)
def test_an_exported_op_is_imported(op, opset):
    """It gives the same bits if the same ops run."""
    model, (shape, x) = model_of(op), example(op)
    back = convert.from_onnx(convert.to_onnx(model, input_shape=shape, opset=opset))
    expected, y = model(x).data, back(x).data
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    assert np.array_equal(y, expected) or op in NOT_THE_SAME_BITS
    again = convert.from_onnx(convert.to_onnx(back, input_shape=shape, opset=opset))
    assert np.array_equal(again(x).data, y)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [None, 0])
def test_embedding_bags(mode, padding):
    model = nn.EmbeddingBag(9, 3, mode, padding)
    (y,) = run(convert.to_onnx(model, input_shape=(3,)), BAGS)
    np.testing.assert_allclose(y, model(BAGS).data, rtol=1e-6, atol=1e-7)


def test_the_newest_operator_set_is_valid_onnx():
    newest = defs.onnx_opset_version()
    for op in FORMS:
        proto = convert.to_onnx(model_of(op), input_shape=example(op)[0], opset=newest)
        onnx.checker.check_model(proto, full_check=True)


@pytest.mark.parametrize("opset", [12, 10**6, 17.0, True, None])
def test_other_operator_sets_are_refused(opset):
    with pytest.raises(convert.ConversionError, match=f"opset is .*, must be from {OLDEST} to"):
        convert.to_onnx(nn.Dense(3, 3), opset=opset)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[x > 0.0], "."),
        (lambda x: x[: len(x) - 1], "a setting depends on the batch"),
        (lambda x: ops.reshape(x, (-1,))[np.array([0, 1]), None], "op getitem of the model"),
        (lambda x: x * np.ones(6), "op multiply of the model, a Calls: its result is float64"),
    ],
)
def test_ops_without_a_form_are_refused_by_op_and_layer(function, message):
    with pytest.raises((convert.ConversionError, IndexError, ValueError), match=message):
        convert.to_onnx(Calls(function), input_shape=(6,))


def test_several_outputs_keep_their_names():
    class Heads(nn.Module):
        def __init__(self):
            self.trunk, self.kind, self.place = nn.Dense(6, 5, "relu"), nn.Dense(5, 3), nn.Dense(5, 2)

        def forward(self, x):
            h = self.trunk(x)
            return {"label": self.kind(h), "place": self.place(h), "hidden": h}

    model = Heads()
    proto = convert.to_onnx(model)
    assert [value.name for value in proto.graph.output] == ["label", "place", "hidden"]
    for y, expected in zip(run(proto, X), model.forward(minidnn.Tensor(X)).values(), strict=True):
        np.testing.assert_allclose(y, expected.data, rtol=1e-5, atol=1e-6)
