"""Modules, layers, losses, metrics and initializers."""

import math

import numpy as np
import pytest

import minidnn
from minidnn import nn, training
from minidnn.activations import ALPHA
from minidnn.nn import initializers
from minidnn.nn.initializers import INITIALIZERS


def notebook_network():
    return nn.Sequential(
        nn.Dense(6, 5, activation="relu", name="hidden1"),
        nn.Dropout(0.5),
        nn.Dense(5, 3, name="outputs"),
    )


class Residual(nn.Module):
    def __init__(self):
        self.inner = [nn.Dense(4, 4), nn.Sequential(nn.Dense(4, 4, name="deep"))]
        self.running = minidnn.Tensor(np.zeros(4, np.float32))
        self.twin = self.inner[0]

    def forward(self, x):
        return x + self.inner[1](self.inner[0](x))


def test_parameters_are_named_by_path():
    assert [path for path, _ in notebook_network().named_parameters()] == [
        "hidden1.kernel",
        "hidden1.bias",
        "outputs.kernel",
        "outputs.bias",
    ]


def test_attributes_are_the_registry_and_shared_parameters_come_once():
    model = Residual()
    assert [path for path, _ in model.named_parameters()] == [
        "inner.0.kernel",
        "inner.0.bias",
        "inner.1.deep.kernel",
        "inner.1.deep.bias",
    ]
    assert [path for path, _ in model.named_buffers()] == ["running"]
    assert set(model.state_dict()) == {path for path, _ in model.named_parameters()} | {"running"}


def test_get_parameter_finds_by_path_or_lists_the_known_paths():
    model = notebook_network()
    assert model.get_parameter("hidden1.kernel") is model.layers[0].kernel
    with pytest.raises(KeyError, match=r"hidden2\.kernel.*hidden1\.kernel"):
        model.get_parameter("hidden2.kernel")


def test_train_and_eval_reach_every_part():
    model = Residual()
    model.eval()
    assert not any(module.training for _, module in model.named_modules())
    model.train()
    assert all(module.training for _, module in model.named_modules())


def test_state_dict_is_a_copy_and_comes_back():
    model, other = notebook_network(), notebook_network()
    state = model.state_dict()
    other.load_state_dict(state)
    for path, array in other.state_dict().items():
        assert array.tobytes() == state[path].tobytes()
    state["hidden1.bias"][:] = 7
    assert not np.any(model.get_parameter("hidden1.bias").data == 7)


def test_load_state_dict_lists_every_fault_and_changes_nothing():
    model = notebook_network()
    before = model.state_dict()
    state = model.state_dict() | {"hidden1.kernel": np.ones((2, 2)), "extra": np.ones(1)}
    del state["outputs.bias"]
    with pytest.raises(ValueError) as error:
        model.load_state_dict(state)
    for part in (
        "missing outputs.bias",
        "unexpected extra",
        "hidden1.kernel has shape (2, 2), must have (6, 5)",
    ):
        assert part in str(error.value)
    assert all(np.array_equal(array, before[path]) for path, array in model.state_dict().items())
    model.load_state_dict({"outputs.bias": np.ones(3), "extra": np.ones(1)}, strict=False)
    assert np.array_equal(model.get_parameter("outputs.bias").data, np.ones(3))


def test_loading_a_weight_that_backward_needs_is_seen():
    model = notebook_network().eval()
    loss = model(np.ones((2, 6), np.float32)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_slice_shares_its_layers():
    model = notebook_network()
    lower = model[:2]
    assert isinstance(lower, nn.Sequential)
    assert lower[0] is model[0] and len(lower) == 2 and list(lower) == model.layers[:2]


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ((nn.ReLU, 3), TypeError, "layer 1 is a int"),
        ((nn.ReLU(name="a"), nn.ReLU(name="a")), ValueError, "distinct"),
        ((nn.ReLU(name="a.b"),), ValueError, "without dots"),
        ((nn.ReLU(name="1"), nn.ReLU()), ValueError, "distinct"),
    ],
)
def test_sequential_refuses(layers, error, message):
    layers = tuple(layer() if layer is nn.ReLU else layer for layer in layers)
    with pytest.raises(error, match=message):
        nn.Sequential(*layers)


def test_repr_shows_how_to_build_it_again():
    assert repr(nn.Dropout(0.5, name="drop")) == "Dropout(rate=0.5, name='drop')"
    text = repr(nn.Sequential(nn.Sequential(nn.ReLU()), nn.Flatten()))
    assert text == "Sequential(\n  0: Sequential(\n    0: ReLU()\n  )\n  1: Flatten()\n)"


@pytest.mark.parametrize("activation", [None, *ALPHA])
def test_dense_is_activation_of_x_kernel_bias(activation):
    layer = nn.Dense(7, 4, activation=activation, bias_initializer=initializers.constant(0.25))
    x = minidnn.Generator(1).normal((5, 7))
    z = minidnn.Tensor(x) @ layer.kernel + layer.bias
    expected = z if activation is None else _by_op(activation, z)
    assert np.allclose(layer(x).data, expected.data, rtol=1e-5, atol=1e-6)


def _by_op(activation, z):
    arguments = (ALPHA[activation],) if ALPHA[activation] else ()
    return getattr(minidnn.ops, activation)(z, *arguments)


def test_dense_takes_functions_and_layers_as_activations():
    x = minidnn.Generator(1).normal((5, 3))
    weights = {"kernel": minidnn.Generator(2).normal((3, 4)), "bias": np.zeros(4)}
    results = []
    for activation in ("elu", minidnn.ops.elu, nn.ELU()):
        layer = nn.Dense(3, 4, activation=activation)
        layer.load_state_dict(weights)
        results.append(layer(x).data)
    assert np.array_equal(results[1], results[2]) and np.allclose(results[0], results[1], atol=1e-6)
    with_slopes = nn.Dense(3, 4, activation=nn.PReLU(4))
    assert [path for path, _ in with_slopes.named_parameters()] == ["kernel", "bias", "activation.slopes"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Dense(0, 3), ValueError, "Dense: n_in must be at least 1, got 0"),
        (lambda: nn.Dense(10**400, 3), ValueError, "Dense: n_in is an integer of 1329 bits, must be at most"),
        (lambda: nn.Dense(3, 10**5000), ValueError, "Dense: n_out is an integer of 16610 bits, must be at most"),
        (lambda: nn.Dense(-(10**5000), 3), ValueError, "n_in must be at least 1, got an integer of 16610 bits"),
        (lambda: nn.Dense(3, 2.0, name="top"), TypeError, "Dense 'top': n_out must be an integer, got float"),
        (lambda: nn.Dense(3, 2, activation="rleu"), ValueError, "activation must be one of relu.*'rleu'"),
        (lambda: nn.Dense(3, 2, activation=1), TypeError, "activation must be a name, a function or None"),
        (lambda: nn.Dense(3, 2, kernel_initializer="he"), ValueError, "kernel_initializer must be one of"),
        (lambda: nn.Dense(3, 2, bias_initializer=lambda shape, rng: [1.0]), ValueError, "returned shape"),
        (lambda: nn.Dense(3, 2, name="h")(np.ones((4, 2), np.float32)), ValueError, r"Dense 'h': x has shape \(4, 2\)"),
        (lambda: nn.Dense(3, 2)(np.ones(3, np.float32)), ValueError, r"must be \(batch, 3\)"),
        (lambda: nn.Dropout(1.0), ValueError, r"Dropout: rate must be in \[0, 1\), got 1.0"),
        (lambda: nn.PReLU(3)(np.ones((2, 4), np.float32)), ValueError, "PReLU: x has shape"),
        (lambda: nn.Module()(np.ones(1)), TypeError, "must define forward"),
    ],
)
def test_layers_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_dropout_scales_kept_elements_in_training_only():
    layer = nn.Dropout(0.25, rng=minidnn.Generator(3))
    x = np.ones((200, 200), np.float32)
    assert set(np.unique(layer(x).data)) == {np.float32(0), np.float32(1 / 0.75)}
    layer.eval()
    assert np.array_equal(layer(x).data, x)


def test_flatten_keeps_the_batch():
    assert nn.Flatten()(np.zeros((5, 2, 3), np.float32)).shape == (5, 6)
    assert nn.Flatten()(np.zeros((0, 2, 3), np.float32)).shape == (0, 6)


# Variance of the kernel of shape (300, 200) by the papers' formulas, and whether values are bounded.
VARIANCES = {
    "glorot_uniform": (2 / 500, True),
    "glorot_normal": (2 / 500, False),
    "he_uniform": (2 / 300, True),
    "he_normal": (2 / 300, False),
    "lecun_uniform": (1 / 300, True),
    "lecun_normal": (1 / 300, False),
    "uniform": (0.05**2 / 3, True),
}


@pytest.mark.parametrize("name", VARIANCES)
def test_variance_scaling(name):
    variance, bounded = VARIANCES[name]
    values = INITIALIZERS[name]((300, 200), minidnn.Generator(5)).astype(np.float64)
    n = values.size
    # Five standard errors of the mean and of the variance (at most that of a normal sample).
    assert abs(values.mean()) < 5 * math.sqrt(variance / n)
    assert abs(values.var() / variance - 1) < 5 * math.sqrt(2 / n)
    limit = math.sqrt(3 * variance)
    assert (np.abs(values).max() <= limit * (1 + 1e-6)) == bounded
    assert np.abs(values).max() > 0.99 * limit


@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (5, 5), (1, 3)])
def test_orthogonal(shape):
    q = initializers.orthogonal(2.0)(shape, minidnn.Generator(7)).astype(np.float64)
    gram = q.T @ q if shape[0] >= shape[1] else q @ q.T
    assert np.allclose(gram, 4 * np.eye(min(shape)), atol=1e-5)


def test_other_initializers():
    assert np.all(initializers.zeros((2, 3), minidnn.Generator(0)) == 0)
    assert np.all(initializers.constant(0.5)((4,), minidnn.Generator(0)) == 0.5)
    assert {*VARIANCES, "orthogonal", "zeros", "ones"} == set(INITIALIZERS)


def test_initial_weights_follow_from_the_seed():
    def weights():
        return b"".join(array.tobytes() for array in notebook_network().state_dict().values())

    minidnn.manual_seed(11)
    first = weights()
    assert weights() != first
    minidnn.manual_seed(11)
    assert weights() == first


def test_softmax_cross_entropy_is_the_mean():
    # Two classes with logits 0 and log(3): probabilities 1/4 and 3/4.
    logits = np.array([[0.0, math.log(3)], [0.0, math.log(3)]], np.float32)
    loss = nn.softmax_cross_entropy(minidnn.Tensor(logits), [0, 1])
    assert loss.shape == () and math.isclose(loss.item(), (math.log(4) + math.log(4 / 3)) / 2, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("logits", "labels", "error", "message"),
    [
        (np.zeros((2, 3), np.float32), [0, 3], ValueError, "label"),
        (np.zeros((2, 3), np.float32), [0, -1], ValueError, "label"),
        (np.zeros((2, 3), np.float32), [0.0, 1.0], TypeError, "integers"),
        (np.zeros((2, 3), np.float32), [[0], [1]], ValueError, "labels"),
        (np.zeros((2, 3), np.float32), [0], ValueError, "labels"),
        (np.zeros((0, 3), np.float32), np.zeros(0, np.int64), ValueError, "batch is empty"),
    ],
)
def test_softmax_cross_entropy_refuses(logits, labels, error, message):
    with pytest.raises(error, match=message):
        nn.softmax_cross_entropy(minidnn.Tensor(logits), labels)


def test_in_top_k_counts_ties_and_rejects_non_finite_logits():
    logits = np.array([[3, 2, 1], [1, 1, 0], [np.nan, 0, 0], [0, 1, 2]], np.float32)
    labels = [1, 1, 0, 0]
    assert nn.in_top_k(logits, labels, 1).tolist() == [False, True, False, False]
    assert nn.in_top_k(logits, labels, 2).tolist() == [True, True, False, False]


def test_the_answer_among_equal_outputs_is_the_first():
    dead, labels = np.zeros((10, 10), np.float32), np.arange(10)
    assert nn.accuracy(dead, labels) == 0.1  # a model that answers every row alike
    metric = training.Accuracy()
    metric.update(dead, labels)
    assert metric.compute() == 0.1
    rows = np.array([[1, 1, 0], [1, 1, 0], [0, np.nan, 1], [np.inf, 0, 0], [0, 1, 2]], np.float32)
    assert nn.accuracy(rows, [0, 1, 2, 0, 2]) == 2 / 5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((2, 3)), [0, 1], 0), ValueError, "k must be at least 1"),
        ((np.zeros((2, 3)), [0], 1), ValueError, "must be"),
        ((np.zeros((2, 3)), [0, 3], 1), ValueError, r"\[0, 3\)"),
        ((np.zeros(3), [0], 1), ValueError, "must be"),
        ((np.zeros((2, 3)), [0.5, 1], 1), TypeError, "integers"),
    ],
)
def test_in_top_k_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        nn.in_top_k(*arguments)


def test_accuracy_of_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="empty"):
        nn.accuracy(np.zeros((0, 3)), np.zeros(0, np.int64))
