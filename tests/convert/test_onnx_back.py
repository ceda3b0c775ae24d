"""Networks of ops, with several outputs or integer inputs, exported and imported: the same bits."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidnn
from minidnn import convert, deploy, nn, ops, training
from minidnn.nn import Node, functions

onnx = pytest.importorskip("onnx")
from kit.in_onnxruntime import Calls, run  # noqa: E402
from kit.onnx_models import node, proto  # noqa: E402

N = 6
X = np.random.default_rng(5).normal(size=(4, N)).astype(np.float32)
PERM = np.array([5, 0, 0, 3, 2, 4])

ONE = {
    "abs": ops.abs, "negative": lambda x: -x, "exp": lambda x: ops.exp(-ops.abs(x)), "erf": ops.erf, "tanh": ops.tanh,
    "log": lambda x: ops.log(x * x + 1.0), "sqrt": lambda x: ops.sqrt(ops.abs(x) + 0.5), "power": lambda x: x**2.0,
    "reciprocal": lambda x: 1.0 / (1.5 + ops.abs(x)), "relu": ops.relu, "clip": lambda x: ops.clip(x, -0.5, 0.75),
    "softmax": ops.softmax, "turned": lambda x: x[:, ::-1], "chosen": lambda x: x[:, PERM],
    "cut": lambda x: ops.pad(x[:, 1:5], ((0, 0), (1, 1)), 0.25), "centred": lambda x: x - ops.mean(x, 1, keepdims=True),
    "largest": lambda x: x / (1.0 + ops.max(ops.abs(x), -1, keepdims=True)),
    "smallest": lambda x: x - ops.min(x, -1, keepdims=True), "summed": lambda x: x + ops.sum(x, -1)[:, None] * 0.1,
    "laid_out": lambda x: ops.reshape(ops.transpose(ops.reshape(x, (-1, 2, 3)), (0, 2, 1)), (-1, N)),
    "stacked": lambda x: ops.mean(ops.stack([x, ops.tanh(x)], axis=1), 1), "scaled": lambda x: 0.5 - x * 0.25,
    "joined": lambda x: ops.concatenate([x[:, :3], -x[:, :3]], axis=-1),
}  # fmt: skip
TWO = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (ops.abs(b) + 1.0), "maximum": ops.maximum, "minimum": ops.minimum,
    "less": lambda a, b: ops.where(a < b, a, b * 0.5), "greater_equal": lambda a, b: ops.where(a >= b, 0.25, b),
    "product": lambda a, b: ops.reshape(a[:, None, :] @ ops.reshape(b, (-1, N, 1)), (-1, 1)) * 0.1 + a,
}  # fmt: skip


class Generated(nn.Module):
    """Steps, each of one or two earlier values, and some weights."""

    def __init__(self, steps, seed):
        self.steps = steps
        rng = np.random.default_rng(seed)
        self.dense = nn.Dense(N, N, "elu", rng=minidnn.Generator(seed))
        self.scale = nn.Parameter(rng.uniform(0.5, 1.5, N).astype(np.float32))
        self.table = nn.Parameter(rng.normal(0, 0.4, (N, N)).astype(np.float32))

    def forward(self, x):
        values = [x, self.dense(x), x * self.scale, x @ self.table + self.scale]
        for name, a, b in self.steps:
            a, b = values[a % len(values)], values[b % len(values)]
            values.append(ONE[name](a) if name in ONE else TWO[name](a, b))
        return values[-1]


STEPS = st.lists(
    st.tuples(st.sampled_from([*ONE, *TWO]), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9
)


@given(STEPS, st.integers(0, 1000), st.sampled_from([13, 17, 18, 21]))
@settings(max_examples=80, deadline=None)
def test_generated_ops_give_the_same_bits_after_export_and_import(steps, seed, opset):
    model = Generated(steps, seed).eval()
    proto = convert.to_onnx(model, input_shape=(N,), opset=opset)
    expected = model(X).data
    (y,) = run(proto, X)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4 * max(1.0, np.abs(expected).max()))
    back = convert.from_onnx(proto)
    assert np.array_equal(back(X).data, expected)
    assert np.array_equal(convert.from_onnx(convert.to_onnx(back, input_shape=(N,), opset=opset))(X).data, expected)


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize("beta", [True, False])
def test_a_normalization_by_functions_is_exported_and_imported(opset, beta):
    parts = [Node("gamma", nn.Weight((N,)), []), *([Node("beta", nn.Weight((N,)), [])] if beta else [])]
    names = ["x", "gamma", *(["beta"] if beta else [])]
    model = nn.Graph([*parts, Node("y", functions.layer_norm(-1, 1e-3), names)]).eval()
    for tensor in model.tensors().values():
        tensor.data = np.linspace(0.5, 2, N, dtype=np.float32)
    proto = convert.to_onnx(model, input_shape=(N,), opset=opset)
    assert np.array_equal(convert.from_onnx(proto)(X).data, model(X).data)
    np.testing.assert_allclose(run(proto, X)[0], model(X).data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("name", minidnn.activations.ACTIVATIONS)
def test_an_exported_activation_is_imported_as_itself(name, opset):
    model = nn.Sequential(
        nn.Dense(N, N, rng=minidnn.Generator(1)), nn.Flatten(), nn.Dense(N, 3, name, rng=minidnn.Generator(2))
    ).eval()
    back = convert.from_onnx(convert.to_onnx(model, input_shape=(N,), opset=opset))
    assert [type(part) for part in back] == [nn.Dense, nn.Flatten, nn.Dense] and back[-1].activation == name
    assert np.array_equal(back(X).data, model(X).data)


def test_nodes_with_another_reader_are_not_merged_into_an_activation():
    function = Calls(lambda x: ops.sigmoid(x) * x + ops.sigmoid(x))

    class Shared(nn.Module):
        def forward(self, x):
            share = ops.sigmoid(x)
            return share * x + share

    for model, silus in ((Shared(), 0), (function, 1)):
        back = convert.from_onnx(convert.to_onnx(model, input_shape=(N,)))
        assert sum(isinstance(node.part, nn.SiLU) for node in back.nodes) == silus
        np.testing.assert_allclose(back(X).data, model(X).data, rtol=1e-6, atol=1e-7)


# Several outputs


def heads():
    r = minidnn.Generator(3)
    return nn.Graph(
        [
            Node("hidden", nn.Dense(N, 5, "relu", rng=r), ["x"]),
            Node("label", nn.Dense(5, 3, rng=r), ["hidden"]),
            Node("place", nn.Dense(5, 2, rng=r), ["hidden"]),
        ],
        output=["label", "place", "hidden"],
    ).eval()


def test_a_graph_of_several_outputs(tmp_path):
    model = heads()
    y = model(X)
    assert y.names == ("label", "place", "hidden") and y["place"] is y[1] and len(y) == 3
    label, place, hidden = y
    assert (label.shape, place.shape, hidden.shape) == ((4, 3), (4, 2), (4, 5))
    with pytest.raises(KeyError, match="'size': the outputs are label, place, hidden"):
        y["size"]
    predicted = training.predict(model, X)
    assert np.array_equal(predicted["place"], place.data) and predicted.as_dict().keys() == {*y.names}
    assert np.array_equal(training.predict(model, X[0])["label"], training.predict(model, X[:1])[0][0])
    again = pickle.loads(pickle.dumps(predicted))
    assert again.names == y.names and all(np.array_equal(a, b) for a, b in zip(again, predicted, strict=True))
    minidnn.save(model, tmp_path / "m.safetensors")
    loaded = minidnn.load(tmp_path / "m.safetensors")(X)
    assert loaded.names == y.names and all(np.array_equal(a.data, b.data) for a, b in zip(loaded, y, strict=True))
    assert repr(model).startswith("Graph(x -> label, place, hidden:")


def test_several_outputs_are_exported_and_imported():
    model = heads()
    proto = convert.to_onnx(model)
    assert [value.name for value in proto.graph.output] == ["label", "place", "hidden"]
    back = convert.from_onnx(proto)
    assert back.output == ("label", "place", "hidden") and back.state_dict().keys() == model.state_dict().keys()
    for y, expected, other in zip(back(X), model(X), run(proto, X), strict=True):
        assert np.array_equal(y.data, expected.data)
        np.testing.assert_allclose(other, expected.data, rtol=1e-5, atol=1e-6)


def test_several_outputs_are_trained():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, N)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int), x[:, 1:3]
    model = heads().train()

    def loss(outputs, targets):
        label = nn.softmax_cross_entropy(outputs["label"], targets[0])
        return label + nn.mean_squared_error(outputs["place"], targets[1])

    def right(outputs, targets):
        return nn.accuracy(outputs["label"], targets[0])

    optimizer = minidnn.optim.Adam(model.parameters(), 0.05)
    options = {"epochs": 30, "batch_size": 20, "progress": False, "rng": minidnn.Generator(1)}
    options |= {"metrics": {"right": right}, "valid": (x, y)}
    history = training.fit(model, x, y, optimizer=optimizer, loss=loss, **options)
    assert history["loss"][-1] < 0.5 * history["loss"][0] and history["valid_right"][-1] > 0.9
    metric = training.metrics.Collected(right)
    metric.update(training.predict(model, x), y)
    again = training.metrics.Collected(right)
    again.load_state_dict(metric.state_dict())
    assert again.compute() == metric.compute()
    assert training.evaluate(model, (x, y), loss=loss, metrics={"right": right})["right"] > 0.9


@pytest.mark.parametrize(
    ("nodes", "outputs", "names"),
    [
        ([node("Relu", "x"), node("Tanh", "x", to="z")], ("y", "z"), ("y", "z")),
        ([node("Relu", "x"), node("Identity", "y", to="z")], ("y", "z"), ("y", "z")),
        ([node("Relu", "x"), node("Tanh", "y", to="n_y")], ("y", "n_y"), ("y", "n_y")),
        ([node("Relu", "x", to="a.b"), node("Tanh", "x", to="a_b")], ("a.b", "a_b"), ("a_b_2", "a_b")),
        ([node("Relu", "x")], ("x", "y"), ("x", "y")),
    ],
)
def test_outputs_keep_their_names(nodes, outputs, names):
    model = proto(*nodes, outputs=outputs)
    back = convert.from_onnx(model)
    x = X[:, :4]
    y = back(x)
    assert set(y.names) == set(names)
    for part, expected in zip(y, run(model, x), strict=True):
        np.testing.assert_allclose(part.data, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("output", [["a", "a"], [], ["a", "none"]])
def test_invalid_outputs_are_refused(output):
    with pytest.raises(ValueError, match="Graph: output is"):
        nn.Graph([Node("a", nn.ReLU(), ["x"])], output=output)


# Embeddings


def test_a_graph_with_integer_and_float_inputs():
    model = nn.Graph(
        [
            Node("words", nn.Embedding(9, 3, rng=minidnn.Generator(1)), ["w"]),
            Node("flat", nn.Flatten(), ["words"]),
            Node("all", functions.concatenate(), ["flat", "x"]),
            Node("y", nn.Dense(10, 2, rng=minidnn.Generator(2)), ["all"]),
        ],
        ["w", "x"],
    ).eval()
    proto = convert.to_onnx(model, input_shape={"w": (2,), "x": (4,)})
    w, x = np.array([[1, 8], [0, 0], [3, 2]]), X[:3, :4]
    back = convert.from_onnx(proto)
    assert np.array_equal(back(w, x).data, model(w, x).data)


@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [None, 2])
def test_embedding_bags_are_exported_and_imported(mode, padding, opset):
    model = nn.Sequential(nn.EmbeddingBag(9, 3, mode, padding, name="bag"), nn.Dense(3, 2)).eval()
    bags = np.array([[1, 2, 2], [2, 2, 2], [8, 0, 2]])
    back = convert.from_onnx(convert.to_onnx(model, input_shape=(3,), opset=opset))
    assert [type(part) for part in back] == [nn.EmbeddingBag, nn.Dense]
    assert (back[0].mode, back[0].padding, back[0].name) == (mode, padding, "bag")
    assert np.array_equal(back(bags).data, model(bags).data)


@pytest.mark.parametrize("opset", [7, 10, 11])
def test_bounds_of_clip_as_attributes_and_as_inputs(opset):
    attributes, bounds = ({"min": -0.5, "max": 0.25}, ()) if opset < 11 else ({}, ("low", "high"))
    weights = {} if opset < 11 else {"low": -0.5, "high": 0.25}
    model = proto(node("Clip", "x", *bounds, **attributes), opset=opset, weights=weights.items())
    x = X[:, :4]
    assert np.array_equal(convert.from_onnx(model)(x).data, np.clip(x, -0.5, 0.25))


def gelu_of_pytorch():
    """As torch.onnx.export writes it below operator set 20."""
    nodes = [
        node("Div", "x", "root", to="scaled"), node("Erf", "scaled", to="erf"), node("Add", "erf", "one", to="more"),
        node("Mul", "x", "more", to="whole"), node("Mul", "whole", "half"),
    ]  # fmt: skip
    return proto(*nodes, weights={"root": np.sqrt(2), "one": 1.0, "half": 0.5}.items())


def test_pytorchs_gelu_is_one_layer():
    back = convert.from_onnx(gelu_of_pytorch())
    assert [type(part) for part in back] == [nn.GELU]
    np.testing.assert_allclose(back(X[:, :4]).data, run(gelu_of_pytorch(), X[:, :4])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (heads(), r"has outputs label, place, hidden, must have one; compile a model for each, such as nn\.Graph"),
        (nn.Sequential(nn.Embedding(7, 3), nn.Flatten()), r"begins with an embedding.*model\[1:\], and run the embed"),
    ],
)
def test_models_that_the_engine_cannot_run_are_refused_with_a_remedy(model, message):
    with pytest.raises(TypeError, match=message):
        deploy.compile(model, input_shape=(N,))


def test_these_remedies_work():
    model = heads()
    for name in ("label", "place"):
        compiled = deploy.compile(nn.Graph(model.nodes, model.inputs, output=name))
        assert np.array_equal(compiled.predict(X), model(X)[name].data)
    words = nn.Sequential(nn.Embedding(7, 3, rng=minidnn.Generator(1)), nn.Flatten(), nn.Dense(6, 2)).eval()
    x = np.array([[1, 2], [6, 0]])
    compiled = deploy.compile(words[1:], input_shape=(2, 3))
    assert np.array_equal(compiled.predict(words[0](x).data.reshape(2, -1)), words(x).data)


@pytest.mark.compiled
def test_a_captured_step_returns_outputs_with_names():
    model = heads()
    step = training.Captured(lambda x: model(x), strict=True)
    for x in (X, -X):
        y = step(x)
        assert y.names == ("label", "place", "hidden")
        assert all(np.array_equal(a.data, b.data) for a, b in zip(y, model(x), strict=True))
