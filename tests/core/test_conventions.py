"""Checks minidnn's column of docs/conventions.md against formulas."""

import inspect
import math

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import data, nn, ops, optim, schedules, training
from minidnn.nn import Parameter

DOCUMENT = (CHECKOUT / "docs" / "conventions.md").read_text()


def torch_one_cycle(peak, total, warm, step, div=25.0, final_div=1e4):
    """As in PyTorch's documentation and source: two cosine phases that end at warm * T - 1 and at T - 1."""

    def anneal(first, last, share):
        return last + (first - last) / 2 * (math.cos(math.pi * share) + 1)

    top, end = warm * total - 1, total - 1
    if step <= top:
        return anneal(peak / div, peak, step / top)
    return anneal(peak, peak / div / final_div, (step - top) / (end - top))


@pytest.mark.parametrize("total", [10, 100, 1234])
@pytest.mark.parametrize("warm", [0.2, 0.3, 0.5])
def test_one_cycle_beside_pytorch(total, warm):
    """The warm-up up to w * T - 1, where the two phases meet."""
    ours = schedules.one_cycle(0.7, total - 1, warm=(warm * total - 1) / (total - 1), end_factor=25e4)
    for step in range(total):
        assert ours(step) == pytest.approx(torch_one_cycle(0.7, total, warm, step), rel=1e-9)
    assert "`one_cycle(p, T - 1, warm=(w * T - 1) / (T - 1), end_factor=25e4)`" in DOCUMENT


def test_one_cycle_ends_after_its_steps():
    cycle = schedules.one_cycle(1.0, 100)
    assert cycle(30) == 1.0 and cycle(100) == 1e-4 and cycle(99) > 1e-4


def gradient(function, *values):
    parameters = [Parameter(np.array(value, np.float32)) for value in values]
    with np.errstate(all="ignore"):
        ops.sum(function(*parameters)).backward()
    return [parameter.grad.tolist() for parameter in parameters]


INF, NAN = math.inf, math.nan

KINKS = {
    # the row: its cell, and (op, arguments, their gradients)
    "relu, x = 0": ("0", (ops.relu, [[0.0]], [[0.0]])),
    "leaky_relu, prelu, rrelu, x = 0": (
        "the slope",
        (lambda x: ops.leaky_relu(x, 0.25), [[0.0]], [[0.25]]),
        (ops.prelu, [[[0.0]], [0.25]], [[[0.25]], [0.0]]),
        (lambda x: ops.rrelu(x, 0.125, 0.375, training=False), [[0.0]], [[0.25]]),
    ),
    "elu, x = 0": ("alpha", (lambda x: ops.elu(x, 0.5), [[0.0]], [[0.5]])),
    "selu, x = 0": ("1.7581", (ops.selu, [[0.0]], [[1.0507009873554805 * 1.6732632423543772]])),
    "celu, x = 0": ("1", (lambda x: ops.celu(x, 0.5), [[0.0]], [[1.0]])),
    "relu6, x = 0 or 6": ("0", (ops.relu6, [[0.0, 6.0]], [[0.0, 0.0]])),
    "hardtanh, x = -1 or 1": ("0", (ops.hardtanh, [[-1.0, 1.0]], [[0.0, 0.0]])),
    "hardsigmoid, x = -3 or 3": ("0", (ops.hardsigmoid, [[-3.0, 3.0]], [[0.0, 0.0]])),
    "hardswish, x = -3, 3": ("0, 1", (ops.hardswish, [[-3.0, 3.0]], [[0.0, 1.0]])),
    "thresholded_relu, x = alpha": ("0", (lambda x: ops.thresholded_relu(x, 0.5), [[0.5]], [[0.0]])),
    "abs, x = 0": ("0", (ops.abs, [[0.0]], [[0.0]])),
    "maximum, minimum of equal values": (
        "half each",
        (ops.maximum, [[2.0], [2.0]], [[0.5], [0.5]]),
        (ops.minimum, [[2.0], [2.0]], [[0.5], [0.5]]),
    ),
    "max, min of a row with equal values": (
        "equal shares",
        (lambda x: ops.max(x, axis=1), [[[1.0, 3.0, 3.0, 3.0]]], [[[0.0, 1 / 3, 1 / 3, 1 / 3]]]),
        (lambda x: ops.min(x, axis=1), [[[1.0, 1.0, 3.0]]], [[[0.5, 0.5, 0.0]]]),
    ),
    "clip, x = a bound": ("1", (lambda x: ops.clip(x, 0.0, 1.0), [[0.0, 1.0]], [[1.0, 1.0]])),
    "sqrt, log, x = 0": ("infinite", (ops.sqrt, [[0.0]], [[INF]]), (ops.log, [[0.0]], [[INF]])),
    "sqrt(clip(x, 0)), x < 0": ("0", (lambda x: ops.sqrt(ops.clip(x, 0.0)), [[-1.0]], [[0.0]])),
    "1 / x, x = 0": ("-infinite", (lambda x: 1 / x, [[0.0]], [[-INF]])),
    "x ** 0, x = 0": ("0", (lambda x: x**0, [[0.0]], [[0.0]])),
    "x ** 0.5, x = 0": ("infinite", (lambda x: x**0.5, [[0.0]], [[INF]])),
    "0 ** b, derivative with respect to b, b = 2, 0, -1": (
        "0, 0, -infinite",
        (lambda b: 0.0**b, [[2.0, 0.0, -1.0]], [[0.0, 0.0, -INF]]),
    ),
    "where(x > 0, log(x), 0), x = 0": ("NaN", (lambda x: ops.where(x > 0, ops.log(x), 0.0), [[0.0]], [[NAN]])),
    "var of one number": ("0", (ops.var, [[3.0]], [[0.0]])),
    "sigmoid, tanh, x infinite": (
        "0",
        (ops.sigmoid, [[INF, -INF]], [[0.0, 0.0]]),
        (ops.tanh, [[INF, -INF]], [[0.0, 0.0]]),
    ),
    "relu, elu, softplus, x = inf, -inf": (
        "1, 0",
        *((op, [[INF, -INF]], [[1.0, 0.0]]) for op in (ops.relu, ops.elu, ops.softplus)),
    ),
    "exp, x = inf, -inf": ("infinite, 0", (ops.exp, [[INF, -INF]], [[INF, 0.0]])),
    "gelu, silu, mish, softsign, x infinite": (
        "NaN",
        *((op, [[INF, -INF]], [[NAN, NAN]]) for op in (ops.gelu, ops.silu, ops.mish, ops.softsign)),
    ),
    "softmax_cross_entropy of logits 1, -inf for the first class": (
        "0, 0",
        (lambda x: ops.softmax_cross_entropy(x, np.array([0])), [[[1.0, -INF]]], [[[0.0, 0.0]]]),
    ),
}


@pytest.mark.parametrize("row", KINKS)
def test_gradients_at_kinks_and_infinities(row):
    for function, values, expected in KINKS[row][1:]:
        for found, wanted in zip(gradient(function, *values), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_every_row_at_a_kink_is_computed():
    section = DOCUMENT.split("## Gradients at kinks and infinities")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert {first.removeprefix("| "): ours for first, ours, *_ in rows} == {
        row: cell for row, (cell, *_) in KINKS.items()
    }


DEFAULTS = [
    (optim.Adagrad, {"eps": 1e-10, "initial_accumulator": 0.0}),
    (optim.RMSprop, {"eps": 1e-10, "decay": 0.9}),
    (optim.Adadelta, {"lr": 1.0, "rho": 0.95, "eps": 1e-6}),
    (optim.Adam, {"eps": 1e-8}),
    (optim.AdamW, {"weight_decay": 0.01}),
    (nn.BatchNorm, {"momentum": 0.99, "eps": 1e-3}),
    (nn.LayerNorm, {"eps": 1e-5}),
    (nn.LeakyReLU, {"alpha": 0.01}),
    (nn.PReLU, {"alpha": 0.25}),
    (nn.Dense, {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}),
    (schedules.one_cycle, {"end_factor": 1e4, "start_factor": 25.0, "warm": 0.3}),
]


@pytest.mark.parametrize(("thing", "expected"), DEFAULTS)
def test_defaults(thing, expected):
    parameters = inspect.signature(thing).parameters
    assert {name: parameters[name].default for name in expected} == expected


# One update from known numbers; g = (3, -4), w = (1, 2).

G, W = np.array([3.0, -4.0]), np.array([1.0, 2.0])


def updated(make, steps=1):
    parameter = Parameter(W.astype(np.float32))
    optimizer = make([parameter])
    for _ in range(steps):
        parameter.grad = G.astype(np.float32)
        optimizer.step()
    return parameter.data


UPDATES = {
    "momentum": (lambda p: optim.SGD(p, lambda t: [0.1, 0.01][t], momentum=0.5), 2, W - 0.1 * G - 0.01 * 1.5 * G),
    "adagrad": (lambda p: optim.Adagrad(p, 0.1, eps=4.0), 1, W - 0.1 * G / np.sqrt(G**2 + 4)),
    "rmsprop": (lambda p: optim.RMSprop(p, 0.1, eps=4.0), 1, W - 0.1 * G / np.sqrt(0.1 * G**2 + 4)),
    "adam": (lambda p: optim.Adam(p, 0.1, eps=4.0), 1, W - 0.1 * G / (np.abs(G) + 4)),
    "adamw": (lambda p: optim.AdamW(p, 0.1, eps=4.0, weight_decay=0.5), 1, 0.95 * W - 0.1 * G / (np.abs(G) + 4)),
    "adamax": (lambda p: optim.Adamax(p, 0.1, eps=4.0), 1, W - 0.1 * G / (np.abs(G) + 4)),
    "nadam": (lambda p: optim.NAdam(p, 0.1, beta1=0.5, eps=4.0), 1, None),
}
m = 0.5 * G
look_ahead = 0.5 * m / (1 - 0.5**2) + 0.5 * G / (1 - 0.5)
UPDATES["nadam"] = (*UPDATES["nadam"][:2], W - 0.1 * look_ahead / (np.abs(G) + 4))


@pytest.mark.parametrize("name", UPDATES)
def test_where_eps_and_rates_stand(name):
    make, steps, expected = UPDATES[name]
    np.testing.assert_allclose(updated(make, steps), expected, rtol=2e-6)


def test_rmsprop_with_momentum_keeps_old_rates():
    found = updated(lambda p: optim.RMSprop(p, lambda t: [0.1, 0.01][t], decay=0.5, momentum=0.5, eps=1e-10), 2)
    first, second = G / np.sqrt(0.5 * G**2), G / np.sqrt(0.75 * G**2)
    np.testing.assert_allclose(found, W - 0.1 * first - (0.5 * 0.1 * first + 0.01 * second), rtol=2e-6)


def test_l2_is_not_halved():
    parameter = Parameter(W.astype(np.float32))
    penalty = nn.l2(0.5)(parameter)
    penalty.backward()
    assert penalty.item() == 0.5 * 5.0
    np.testing.assert_array_equal(parameter.grad, 2 * 0.5 * W)


def test_batch_norm_momentum_weights_the_old_value_and_variance_divides_by_n():
    layer = nn.BatchNorm(1, momentum=0.75)
    x = np.array([[1.0], [2.0], [6.0]], np.float32)
    layer(x)
    assert layer.running_mean.data[0] == pytest.approx(0.25 * 3)
    assert layer.running_var.data[0] == pytest.approx(0.75 + 0.25 * x.var())


def test_multiclass_hinge_is_a_sum_over_classes():
    scores = minidnn.Tensor(np.array([[1.0, 0.5, 2.0]], np.float32))
    assert nn.multiclass_hinge(scores, np.array([0])).item() == pytest.approx(0.5 + 2.0)


# A run


def test_the_columns_of_a_run():
    x, y = np.random.default_rng(1).random((8, 3), np.float32), np.array([0, 1] * 4)
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(3, 2, kernel_regularizer=nn.l2(0.5)))
    before = {path: array.astype(np.float64) for path, array in model.state_dict().items()}
    dataset, asked = data.ArrayDataset(x, y), []

    def schedule(step):
        asked.append(step)
        return 1e-9  # which changes nothing

    history = training.fit(
        model,
        dataset,
        valid=dataset,
        optimizer=optim.SGD(model.parameters(), schedule),
        epochs=1,
        batch_size=4,
        progress=False,
        capture=False,
    )
    logits = x @ before["0.kernel"] + before["0.bias"]
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss, penalty = -logs[np.arange(8), y].mean(), 0.5 * (before["0.kernel"] ** 2).sum()
    assert history["loss"] == pytest.approx([loss + penalty], rel=1e-5)
    assert history["valid_loss"] == pytest.approx([loss], rel=1e-5)
    assert history["step"] == [2] and set(asked) == {0, 1}


LOOKS = {
    # patience 2: what is seen, and after which looks (from 1) the rate falls
    "falls": ([3.0, 2.0, 1.0, 0.5], []),
    "stands": ([1.0, 1.0, 1.0, 1.0, 1.0], [3, 5]),
    "nan first": ([math.nan, 1.0, 2.0, 2.0], [4]),
    "nan twice first": ([math.nan, math.nan, 1.0, 2.0], [2]),
    "nan later": ([1.0, math.nan, math.nan, 0.5], [3]),
    "infinite first": ([math.inf, math.inf, 1.0], [2]),
}


@pytest.mark.parametrize("name", LOOKS)
def test_patience_and_nan(name):
    seen, expected = LOOKS[name]
    values = iter(seen)

    class Seen(training.Callback):
        def on_epoch_end(self, run):
            run.row["valid_loss"] = next(values)

    x = data.ArrayDataset(np.zeros((2, 3), np.uint8), np.zeros(2, int))
    model = nn.Dense(3, 2)
    plateau = training.ReduceOnPlateau(0.5, patience=2)
    options = {"epochs": len(seen), "batch_size": 2, "valid": x, "progress": False, "callbacks": [Seen(), plateau]}
    training.fit(model, x, optimizer=optim.SGD(model.parameters(), 0.1), **options)
    assert plateau.reductions == expected
