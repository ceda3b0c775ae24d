"""Layers connected by name, and the functions that connect them."""

import math

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, gradcheck, nn
from minidnn.nn import Graph, Node, functions

RNG = np.random.default_rng(7)


def real(*shape):
    return RNG.normal(size=shape)


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def normal(x, axes, eps):
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


A, B, C, X = real(3, 4), real(4, 5), real(5), real(2, 3, 4)
POSITIVE = np.abs(real(3)) + 0.5

# function, inputs, the result of NumPy in float64
ROWS = [
    (functions.add(), (A, real(4), real(3, 1)), lambda a, b, c: a + b + c),
    (functions.multiply(), (A, real(4)), lambda a, b: a * b),
    (functions.matmul(), (A, B), lambda a, b: a @ b),
    (functions.gemm(0.5, 2.0), (A, B, C), lambda a, b, c: 0.5 * a @ b + 2 * c),
    (functions.gemm(transpose_a=True, transpose_b=True), (A.T.copy(), B.T.copy()), lambda a, b: a.T @ b.T),
    (functions.clip(-0.503, 0.703), (A,), lambda a: np.clip(a, -0.503, 0.703)),
    (functions.concatenate(1), (A, real(3, 2)), lambda a, b: np.concatenate([a, b], 1)),
    (functions.reshape((0, -1)), (X,), lambda x: x.reshape(2, 12)),
    (functions.reshape((0, 4), allow_zero=True), (real(0, 3),), lambda x: x.reshape(0, 4)),
    (functions.flatten(2), (X,), lambda x: x.reshape(6, 4)),
    (functions.flatten(-3), (X,), lambda x: x.reshape(1, 24)),
    (functions.softmax(1), (X,), lambda x: softmax(x, 1)),
    (functions.log_softmax(0), (X,), lambda x: np.log(softmax(x, 0))),
    (functions.prelu(), (X, real(3, 1)), lambda x, a: np.where(x > 0, x, a * x)),
    (
        functions.batch_norm(0.1),
        (X, real(3), real(3), real(3), POSITIVE),
        lambda x, *p: ((x - p[2][:, None]) / np.sqrt(p[3][:, None] + 0.1)) * p[0][:, None] + p[1][:, None],
    ),
    (functions.subtract(), (A, real(4)), lambda a, b: a - b),
    (functions.divide(), (A, POSITIVE[:, None]), lambda a, b: a / b),
    (functions.power(), (np.abs(A) + 0.5, real(4)), lambda a, b: a**b),
    (functions.power(3.0), (A,), lambda a: a**3),
    (functions.maximum(), (A, real(4), real(3, 1)), lambda a, b, c: np.maximum(np.maximum(a, b), c)),
    (functions.minimum(), (A, real(4)), np.minimum),
    (functions.identity(), (A,), lambda a: a),
    (functions.negative(), (A,), lambda a: -a),
    (functions.reciprocal(), (POSITIVE,), lambda a: 1 / a),
    (functions.abs(), (A,), np.abs),
    (functions.exp(), (A,), np.exp),
    (functions.log(), (POSITIVE,), np.log),
    (functions.sqrt(), (POSITIVE,), np.sqrt),
    (functions.erf(), (A,), np.vectorize(math.erf)),
    (functions.sum([0, -1], False), (X,), lambda x: x.sum(axis=(0, 2))),
    (functions.mean([1]), (X,), lambda x: x.mean(axis=1, keepdims=True)),
    (functions.max(None, False), (X,), np.max),
    (functions.min([2]), (X,), lambda x: x.min(axis=2, keepdims=True)),
    (functions.transpose([1, 0, 2]), (X,), lambda x: x.transpose(1, 0, 2)),
    (functions.transpose(), (X,), np.transpose),
    (functions.slices([1, -1], [3, -9], [1, 2], [1, -2]), (X,), lambda x: x[:, 1:3, ::-2]),
    (functions.squeeze([0, -1]), (X[:1, :, :1],), lambda x: x[0, :, 0]),
    (functions.unsqueeze([0, -1]), (A,), lambda a: a[None, :, :, None]),
    (functions.gather(1, [[2, 0], [-1, 0]]), (X,), lambda x: x[:, [[2, 0], [-1, 0]]]),
    (functions.gather(0, 1), (X,), lambda x: x[1]),
    (
        functions.gather_elements(1, [[0, 3], [1, 1], [2, 0]]),
        (A,),
        lambda a: a[[[0], [1], [2]], [[0, 3], [1, 1], [2, 0]]],
    ),
    (functions.pad([[1, 0], [0, 2]], 7.0), (A,), lambda a: np.pad(a, ((1, 0), (0, 2)), constant_values=7)),
    (functions.layer_norm(1, 0.1), (X, real(3, 4), real(4)), lambda x, g, b: normal(x, (1, 2), 0.1) * g + b),
    (functions.layer_norm(), (X, real(4)), lambda x, g: normal(x, (2,), 1e-5) * g),
]


@pytest.mark.parametrize(("function", "inputs", "truth"), ROWS, ids=[repr(row[0]) for row in ROWS])
def test_functions_and_their_gradients(function, inputs, truth):
    expected = truth(*inputs)
    y = function(*(Tensor(x) for x in inputs))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-14)
    if y.data.size:
        gradcheck(lambda *xs: function(*xs), [Tensor(x, requires_grad=True) for x in inputs])


def test_every_function_has_a_row():
    assert {type(function) for function, _, _ in ROWS} | CHOICES == set(functions.FUNCTIONS)


CHOICES = {
    functions.equal, functions.greater, functions.greater_equal, functions.indicator, functions.less,
    functions.less_equal, functions.logical_not, functions.truth, functions.where,
}  # fmt: skip
"""Boolean values have no gradient."""


def test_comparisons_and_choices():
    a, b = np.array([1.0, 2.0, 3.0], np.float32), np.array([2.0, 2.0, 2.0], np.float32)
    for function, truth in [
        (functions.equal(), a == b), (functions.greater(), a > b), (functions.greater_equal(), a >= b),
        (functions.less(), a < b), (functions.less_equal(), a <= b),
    ]:  # fmt: skip
        holds = function(Tensor(a), Tensor(b))
        assert holds.dtype == bool and np.array_equal(holds.data, truth)
        assert np.array_equal(functions.logical_not()(holds).data, ~truth)
        assert np.array_equal(functions.where()(holds, Tensor(a), Tensor(-b)).data, np.where(truth, a, -b))
        ones = functions.indicator()(holds)
        assert ones.dtype == np.float32 and np.array_equal(ones.data, truth.astype(np.float32))
        assert np.array_equal(functions.truth()(ones).data, truth)


def test_functions_refuse_invalid_arguments():
    x = Tensor(A)
    with pytest.raises(ValueError, match="squeeze: x has shape"):
        functions.squeeze([0])(x)
    with pytest.raises(ValueError, match="gather_elements: indices have shape"):
        functions.gather_elements(1, [[0]])(x)
    for call in (lambda: functions.power()(x), lambda: functions.power(2.0)(x, x)):
        with pytest.raises(TypeError, match="power: exponent is"):
            call()


def test_functions_are_saved_with_their_settings(tmp_path):
    for function, inputs, truth in ROWS:
        names = [f"x{i}" for i in range(len(inputs))]
        minidnn.save(Graph([Node("y", function, names)], names), tmp_path / "m.safetensors")
        loaded = minidnn.load(tmp_path / "m.safetensors")
        assert loaded.nodes[0].part == function
        np.testing.assert_allclose(loaded(*(Tensor(x) for x in inputs)).data, truth(*inputs), rtol=1e-12, atol=1e-14)


def residual():
    return Graph([Node("h", nn.Dense(4, 4, "relu"), ["x"]), Node("y", functions.add(), ["x", "h"])])


def test_a_graph_computes_its_nodes_in_order():
    x = minidnn.Generator(1).normal((3, 4))
    graph = residual()
    layer = graph.nodes[0].part
    assert graph(x).data.tobytes() == nn.Residual(layer)(x).data.tobytes()
    assert list(graph.values(x)) == ["x", "h", "y"]
    assert list(graph.state_dict()) == ["h.kernel", "h.bias"]
    assert repr(graph).splitlines()[0] == "Graph(x -> y:"
    hidden = Graph(graph.nodes, output="h")
    assert hidden(x).data.tobytes() == layer(x).data.tobytes()


def test_a_graph_trains_captured_as_it_does_by_hand():
    mnist = minidnn.data.load_mnist()
    states = []
    for capture in (True, False):
        minidnn.manual_seed(1)
        block = [
            Node("h", nn.Dense(784, 20, "elu"), ["x"]),
            Node("drop", nn.Dropout(0.2), ["h"]),
            Node("h2", nn.Dense(20, 20), ["drop"]),
            Node("scale", nn.Weight((20,), initializer="ones"), []),
            Node("scaled", functions.multiply(), ["h2", "scale"]),
            Node("both", functions.concatenate(), ["h", "scaled"]),
            Node("y", nn.Dense(40, 10), ["both"]),
        ]
        model = Graph(block)
        optimizer = minidnn.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        minidnn.training.fit(model, mnist.train[:500], optimizer=optimizer, epochs=2, batch_size=50, capture=capture)
        states.append(b"".join(array.tobytes() for array in model.state_dict().values()))
    assert states[0] == states[1]


def test_modes_reach_the_nodes():
    graph = Graph([Node("d", nn.Dropout(0.5), ["x"])])
    x = np.ones((4, 50), np.float32)
    assert np.array_equal(graph.eval()(x).data, x)
    assert not np.array_equal(graph.train()(x).data, x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), ValueError, "Graph: nodes is empty"),
        (([Node("y", nn.ReLU(), ["z"])],), ValueError, "node 'y' takes 'z', which no earlier node has"),
        (([Node("x", nn.ReLU(), ["x"])],), ValueError, "names must be distinct and without dots, got 'x'"),
        (([Node("a.b", nn.ReLU(), ["x"])],), ValueError, "got 'a.b'"),
        (([Node("", nn.ReLU(), ["x"])],), ValueError, "got ''"),
        (([Node(3, nn.ReLU(), ["x"])],), ValueError, "got 3"),
        (([Node("y", nn.ReLU(), ["x"])], ["x", "x"]), ValueError, "got 'x'"),
        (([Node("y", nn.ReLU(), ["x"])], ["x"], "z"), ValueError, "output is 'z', which no node has"),
        (([Node("y", "relu", ["x"])],), TypeError, "node 0 is Node.*must be a Node with a layer or a function"),
        (([nn.ReLU()],), TypeError, r"node 0 is ReLU\(\), must be a Node"),
    ],
)
def test_invalid_graphs_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Graph(*arguments)


def test_calls_with_other_arguments():
    with pytest.raises(ValueError, match="Graph 'g': takes x, got 2 arguments"):
        Graph([Node("y", nn.ReLU(), ["x"])], name="g")(1.0, 2.0)
    with pytest.raises(ValueError, match="Weight: shape must be at least 1, got 0"):
        nn.Weight((0,))
