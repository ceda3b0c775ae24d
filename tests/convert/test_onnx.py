"""ONNX export and import: generated networks, and graphs of every kind, against onnxruntime."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.checks import EPS

import minidnn
from minidnn import convert, nn
from minidnn.activations import ALPHA
from minidnn.convert import ConversionError
from minidnn.nn import Node, functions
from minidnn.recording import mode

onnx = pytest.importorskip("onnx")
from kit.onnx_models import B, W, X, node, proto  # noqa: E402
from onnx import numpy_helper  # noqa: E402


def run(proto, *xs):
    """The output of onnxruntime."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {value.name: x for value, x in zip(session.get_inputs(), xs, strict=True)})[0]


def same(y, expected, spread=0.0):
    """Asserts equality within 1e-6 of the largest number, or within several times the effect of rounding."""
    y = y.data if isinstance(y, minidnn.Tensor) else y
    assert y.shape == expected.shape and y.dtype == expected.dtype == np.float32
    assert np.abs(y - expected).max(initial=0) <= max(1e-6 * max(1.0, np.abs(expected).max(initial=0)), 8 * spread)


def spread_by_rounding(model, x):
    """How much outputs change if every number changes by up to EPS at random: Monte Carlo arithmetic (Parker 1997).

    Nested skips add numbers that a later layer subtracts again, so the outputs alone give no bound.
    """
    rng = np.random.default_rng(0)
    own = {path: tensor.data for path, tensor in model.tensors().items()}

    def outputs(eps):
        def moved(array):
            return array * (1 + eps * rng.uniform(-1, 1, array.shape))

        def move(result, parents, op):
            result._data = moved(result._data)

        for path, tensor in model.tensors().items():
            tensor.data = moved(own[path].astype(np.float64))
        mode.watchers = (move,)
        try:
            return model(moved(x.astype(np.float64))).data
        finally:
            mode.watchers = ()

    try:
        exact = outputs(0.0)
        return max(np.abs(outputs(EPS) - exact).max(initial=0) for _ in range(3))
    finally:
        for path, tensor in model.tensors().items():
            tensor.data = own[path]


def randomize(model, seed):
    """Gives parameters and buffers values other than initial ones, which keep the scale of the signals."""
    rng = np.random.default_rng(seed)
    for path, tensor in model.tensors().items():
        scale = 1 / np.sqrt(tensor.shape[0]) if path.endswith("kernel") else 0.5
        values = rng.normal(0, scale, tensor.shape)
        if "var" in path or "gamma" in path:
            values = rng.uniform(0.5, 1.5, tensor.shape)
        tensor.data = values.astype(np.float32)
    return model.eval()


# Generated networks

WIDTHS = st.integers(1, 40)
SLOPES = st.floats(0.01, 2.0)


PLAIN = (nn.ReLU, nn.SELU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Softmax, nn.LogSoftmax, nn.RReLU, nn.Flatten)


def plain(n):
    """A layer that keeps the width."""
    return st.one_of(
        st.builds(nn.BatchNorm, st.just(n), eps=st.floats(1e-5, 0.1)),
        st.builds(nn.LayerNorm, st.just(n), eps=st.floats(1e-5, 0.1)) if n > 1 else st.builds(nn.ReLU),
        st.builds(nn.PReLU, st.just(n)),
        st.builds(nn.ELU, SLOPES),
        st.builds(nn.LeakyReLU, SLOPES),
        st.builds(nn.Dropout, st.floats(0, 0.9), mode=st.sampled_from(["inverted", "scale_at_test"])),
        *(st.builds(kind) for kind in PLAIN),
        st.just(nn.AlphaDropout(0.1)),
    )


COMES_BACK = [name for name in ALPHA if name != "gelu"]  # Erf is not imported
ACTIVATIONS = st.sampled_from([None, *COMES_BACK, minidnn.ops.relu, minidnn.ops.log_softmax, nn.Tanh()])


@st.composite
def layers(draw, n, depth):
    """Some layers in sequence for x of width n, and the width of their output."""
    parts = []
    for _ in range(draw(st.integers(0 if depth else 1, 4))):
        kind = draw(st.sampled_from(["dense", "plain", *(["residual", "skip"] if depth < 2 else [])]))
        if kind == "plain":
            parts.append(draw(plain(n)))
        elif kind == "dense":
            wide = draw(WIDTHS)
            dense = nn.Dense(n, wide, draw(ACTIVATIONS))
            parts.append(nn.DropConnect(dense, 0.5) if draw(st.integers(0, 5)) == 0 else dense)
            n = wide
        else:
            inner, width = draw(layers(n, depth + 1))
            if kind == "residual":
                parts.append(nn.Residual(nn.Sequential(*inner, nn.Dense(width, n))))
            else:
                parts.append(nn.SkipConcat(nn.Sequential(*inner)))
                n += width
    return parts, n


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_generated_networks_match_onnxruntime_and_can_be_imported(data):
    n = data.draw(WIDTHS)
    parts, _ = data.draw(layers(n, 0))
    model = randomize(nn.Sequential(*parts), data.draw(st.integers(0, 1000)))
    x = np.random.default_rng(1).normal(size=(data.draw(st.integers(1, 9)), n)).astype(np.float32)
    proto = convert.to_onnx(model, input_shape=(n,))
    expected = run(proto, x)
    spread = spread_by_rounding(model, x)
    same(model(x), expected, spread)
    back = convert.from_onnx(proto.SerializeToString())
    same(back(x), expected, spread)
    again = convert.to_onnx(back, input_shape=(n,))
    same(run(again, x), expected, spread)


@pytest.mark.parametrize("wrong", ["hidden.kernel", "outputs.bias"])
def test_the_tolerance_for_rounding_does_not_hide_a_wrong_weight(wrong):
    block = nn.Sequential(nn.Dense(4, 9, "tanh", name="hidden"), nn.Dense(9, 4, name="outputs"))
    model = randomize(nn.Residual(block), 1)
    expected, spread = model(X).data, spread_by_rounding(model, X)
    block.tensors()[wrong].data.flat[0] += 1e-4
    with pytest.raises(AssertionError):
        same(model(X), expected, spread)


# What is written


def network():
    return randomize(
        nn.Sequential(nn.Dense(6, 5, "relu", name="hidden1"), nn.Dropout(0.5), nn.Dense(5, 3, name="outputs")), 3
    )


def test_names_inputs_and_bytes(tmp_path):
    path = tmp_path / "model.onnx"
    proto = convert.to_onnx(network(), path)
    assert path.read_bytes() == proto.SerializeToString(deterministic=True)
    assert path.read_bytes() == convert.to_onnx(network()).SerializeToString(deterministic=True)
    (x,), (y,) = proto.graph.input, proto.graph.output
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["batch", 6]
    assert [d.dim_param or d.dim_value for d in y.type.tensor_type.shape.dim] == ["batch", 3]
    assert (x.name, y.name) == ("x", "y")
    names = {tensor.name for tensor in proto.graph.initializer}
    assert names == {"hidden1.kernel", "hidden1.bias", "outputs.kernel", "outputs.bias", "1.rate"}
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]


def test_a_chain_is_imported_as_it_was_exported():
    model = network()
    back = convert.from_onnx(convert.to_onnx(model))
    assert isinstance(back, nn.Sequential) and not back.training
    assert [type(layer) for layer in back] == [nn.Dense, nn.Dropout, nn.Dense]
    assert back.state_dict().keys() == model.state_dict().keys()
    assert all(np.array_equal(back.state_dict()[path], array) for path, array in model.state_dict().items())


def test_an_imported_model_can_be_trained_and_saved(tmp_path):
    block = nn.Residual(nn.Sequential(nn.Dense(6, 6, "elu"), nn.BatchNorm(6)))
    model = convert.from_onnx(convert.to_onnx(randomize(nn.Sequential(block, nn.Dense(6, 3)), 1)))
    assert isinstance(model, nn.Graph)
    x, labels = np.random.default_rng(2).normal(size=(30, 6)).astype(np.float32), np.arange(30) % 3
    optimizer = minidnn.optim.SGD(model.parameters(), 0.1)
    losses = []
    model.train()
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    minidnn.save(model, tmp_path / "model.safetensors")
    loaded = minidnn.load(tmp_path / "model.safetensors")
    assert loaded(x).data.tobytes() == model.eval()(x).data.tobytes()


def test_factors_are_not_trained_and_slopes_are():
    x, scaled = (
        np.ones((2, 6), np.float32),
        nn.Sequential(nn.Dropout(0.4, mode="scale_at_test"), nn.Dense(6, 2, name="h")),
    )
    back = convert.from_onnx(convert.to_onnx(scaled, input_shape=(6,)))
    assert [path for path, _ in back.named_parameters()] == ["h.kernel", "h.bias"]
    same(back(x), scaled.eval()(x).data)
    slope = convert.from_onnx(proto(node("PRelu", "x", "a"), weights={"a": 0.1}.items()))
    assert [path for path, _ in slope.named_parameters()] == ["a.value"]


def test_export_keeps_the_mode_and_the_random_state():
    model = network().train()
    before = minidnn.get_rng_state()
    convert.to_onnx(model)
    assert all(layer.training for layer in model) and minidnn.get_rng_state() == before


def test_images_and_graphs_of_two_inputs():
    flat = randomize(nn.Sequential(nn.Flatten(), nn.Dense(12, 3)), 1)
    images = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    with pytest.raises(ConversionError, match="the shape of x cannot be inferred from the layers; give input_shape"):
        convert.to_onnx(flat)
    same(flat(images), run(convert.to_onnx(flat, input_shape=(3, 4)), images))
    towers = randomize(
        nn.Graph(
            [
                Node("left", nn.Dense(4, 3, "tanh"), ["a"]),
                Node("right", nn.Dense(2, 3), ["b"]),
                Node("both", functions.concatenate(), ["left", "right"]),
                Node("y", nn.Dense(6, 1), ["both"]),
            ],
            ["a", "b"],
        ),
        1,
    )
    a, b = (np.random.default_rng(n).normal(size=(5, n)).astype(np.float32) for n in (4, 2))
    proto = convert.to_onnx(towers)
    same(towers(a, b), run(proto, a, b))
    same(convert.from_onnx(proto)(a, b), run(proto, a, b))


def test_a_shared_layer_is_written_once():
    layer = nn.Dense(3, 3, "tanh")
    proto = convert.to_onnx(nn.Sequential(layer, nn.ReLU(), layer))
    assert {tensor.name for tensor in proto.graph.initializer} == {"0.kernel", "0.bias"}


def test_an_empty_model_is_the_identity():
    proto = convert.to_onnx(nn.Sequential(), input_shape=(3,))
    assert [node.op_type for node in proto.graph.node] == ["Identity"]
    assert repr(convert.from_onnx(proto)) == "Sequential()"


class Own(nn.Module):
    """Random in evaluation, too."""

    def forward(self, x):
        return minidnn.ops.dropout(x, 0.5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Dense(3, 3), Own()), r"1, a Own: it draws random numbers in evaluation"),
        (
            nn.Sequential(nn.Dense(3, 3, lambda x: minidnn.Tensor(np.sin(x.data)), name="h")),
            r"h, a Dense 'h': Tensor\.data uses a number of one example",
        ),
        (nn.Sequential(nn.Residual(nn.Sequential(nn.Dense(3, 3), Own()))), r"0\.block\.1, a Own"),
    ],
)
def test_layers_without_a_form_in_onnx_are_refused_by_name(model, message, tmp_path):
    with pytest.raises(ConversionError, match=message):
        convert.to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_other_dtypes_and_shapes_are_refused():
    model = nn.Sequential(nn.Dense(3, 2, name="h"))
    with pytest.raises(ValueError, match=r"h.*x has shape \(2, 4\)"):
        convert.to_onnx(model, input_shape=(4,))
    with pytest.raises(ConversionError, match="input_shape names z, the inputs are x"):
        convert.to_onnx(model, input_shape={"z": (3,)})
    model[0].kernel.data = model[0].kernel.data.astype(np.float64)
    with pytest.raises(ConversionError, match=r"h\.kernel is float64, must be float32"):
        convert.to_onnx(model)


# What is read


@pytest.mark.parametrize(
    ("nodes", "weights", "kinds"),
    [
        # These become one dense layer.
        ([node("MatMul", "x", "w")], {"w": W}, ["Dense"]),
        ([node("MatMul", "x", "w", to="h"), node("Add", "h", "b")], {"w": W, "b": B}, ["Dense"]),
        ([node("MatMul", "x", "w", to="h"), node("Add", "b", "h")], {"w": W, "b": B[None]}, ["Dense"]),
        ([node("MatMul", "x", "w", to="h"), node("Add", "h", "b")], {"w": W, "b": 2.0}, ["Dense"]),
        ([node("Gemm", "x", "w", "b", alpha=0.5, beta=2.0)], {"w": W, "b": B}, ["Dense"]),
        ([node("Gemm", "x", "w", transB=1, to="h"), node("Relu", "h")], {"w": W.T}, ["Dense"]),
        ([node("Gemm", "x", "w", to="h"), node("Identity", "h", to="i"), node("Elu", "i")], {"w": W}, ["Dense"]),
        ([node("Gemm", "x", "w", to="h"), node("Elu", "h", alpha=0.5)], {"w": W}, ["Dense", "ELU"]),
        ([node("Gemm", "x", "w", to="h"), node("LeakyRelu", "h", alpha=0.0)], {"w": W}, ["Dense"]),
        # These do not.
        ([node("MatMul", "x", "w", to="h"), node("Add", "h", "b")], {"w": W, "b": np.ones((3, 2))}, None),
        ([node("MatMul", "x", "w", to="h"), node("Add", "h", "h")], {"w": W}, None),
        ([node("MatMul", "x", "w", to="h"), node("Identity", "h", to="i"), node("Relu", "i", to="r"),
          node("Add", "i", "r")], {"w": W}, None),
        ([node("Gemm", "x", "w", "b")], {"w": W, "b": np.ones((3, 1))}, None),
        ([node("Gemm", "w", "x", transA=1, transB=1)], {"w": W}, None),
        ([node("Selu", "x", alpha=1.5, gamma=2.0)], {}, None),
        ([node("Softmax", "x", axis=0)], {}, None),
        ([node("PRelu", "x", "a")], {"a": 0.1}, None),
        ([node("PRelu", "x", "a")], {"a": np.ones((3, 4))}, None),
        ([node("Relu", "x", to="dead"), node("Tanh", "x")], {}, ["Tanh"]),
        ([node("Relu", "c")], {"c": X}, None),
    ],
)  # fmt: skip
def test_graphs_match_onnxruntime(nodes, weights, kinds):
    model = proto(*nodes, weights=weights.items())
    module = convert.from_onnx(model)
    if kinds is None:
        assert isinstance(module, nn.Graph)
    else:
        assert [type(layer).__name__ for layer in module] == kinds
    same(module(X), run(model, X))


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 15, 17, 20])
def test_older_operator_sets(opset):
    ratio = {"ratio": 0.25} if opset < 12 else {}
    ways = ("x", "ratio") if opset >= 12 else ("x",)
    model = proto(
        node("Dropout", *ways, to="d", **ratio), node("Gemm", "d", "w", "b", to="h"), node("Softmax", "h"),
        weights={"w": W, "b": B, **({"ratio": 0.25} if opset >= 12 else {})}.items(), opset=opset,
    )  # fmt: skip
    module = convert.from_onnx(model)
    assert [type(layer) for layer in module] == [nn.Dropout, nn.Dense, nn.Softmax] and module[0].rate == 0.25
    same(module(X), run(model, X))


def test_constants_are_followed():
    shape = node("Constant", to="s", value=numpy_helper.from_array(np.array([4, 2], np.int64)))
    model = proto(
        shape, node("Reshape", "flat", "s", to="w"), node("Identity", "w", to="v"), node("MatMul", "x", "v"),
        weights={"flat": W.reshape(-1)}.items(),
    )  # fmt: skip
    module = convert.from_onnx(model)
    assert [type(layer) for layer in module] == [nn.Dense]
    same(module(X), run(model, X))


def test_without_onnx_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for action in (lambda: convert.from_onnx(b""), lambda: convert.to_onnx(network())):
        with pytest.raises(ImportError, match=r'pip install "minidnn\[onnx\]"'):
            action()


def test_converters_import_no_other_library():
    names = ("onnx", "torch", "keras", "sklearn", "google", "pooch", "requests", "urllib.request")
    code = f"import sys, minidnn.reuse; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n" and done.stderr == ""


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_gelu_is_fused_into_the_dense_layer_before_it(approximate, opset):
    model = nn.Sequential(nn.Dense(6, 5), nn.GELU(approximate)).eval()
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    proto = convert.to_onnx(model, opset=opset)
    same(model(x), run(proto, x))
    if opset >= 20:  # below, GELU is several operators, of which Erf is not read
        back = convert.from_onnx(proto)
        assert np.array_equal(back(x).data, model(x).data) and back[0].activation == nn.GELU(approximate).op
