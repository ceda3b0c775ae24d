"""Losses against their formulas, written out example by example in float64."""

import math

import numpy as np
import pytest

import minidnn
from minidnn import nn

rng = np.random.default_rng(5)
LOGITS = rng.normal(size=(7, 4)) * 3
LABELS = np.array([0, 3, 1, 1, 2, 0, 3])
SOFT = rng.dirichlet(np.ones(4), size=7)
TARGETS = rng.normal(size=(7, 4))
UNIT = rng.uniform(size=(7, 4))
BITS = rng.integers(0, 2, size=(7, 4))
SAME = np.array([1, 0, 1, 0, 0, 1, 0])


X = minidnn.Tensor(LOGITS)


def log_softmax(row):
    return row - row.max() - math.log(np.exp(row - row.max()).sum())


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def pairs(a, b):
    return zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True)


def weston_watkins(row, label):
    return sum(max(0.0, 1 + score - row[label]) for j, score in enumerate(row) if j != label)


def hadsell(a, b, same):
    d = math.dist(a, b)
    return d**2 if same else max(0.0, 3.0 - d) ** 2


# (loss, its tensor, its other arguments, the formula)
LOSSES = [
    (
        nn.softmax_cross_entropy,
        LOGITS,
        (LABELS,),
        mean(-log_softmax(r)[k] for r, k in zip(LOGITS, LABELS, strict=True)),
    ),
    (
        nn.softmax_cross_entropy,
        LOGITS,
        (SOFT,),
        mean(-(t * log_softmax(r)).sum() for r, t in zip(LOGITS, SOFT, strict=True)),
    ),
    (
        nn.softmax_cross_entropy,
        LOGITS,
        (LABELS, 0.1),
        mean(-((0.9 * np.eye(4)[k] + 0.025) * log_softmax(r)).sum() for r, k in zip(LOGITS, LABELS, strict=True)),
    ),
    (
        nn.softmax_cross_entropy,
        LOGITS,
        (np.eye(4)[LABELS], 0.1),
        mean(-((0.9 * np.eye(4)[k] + 0.025) * log_softmax(r)).sum() for r, k in zip(LOGITS, LABELS, strict=True)),
    ),
    (
        nn.sigmoid_cross_entropy,
        LOGITS,
        (UNIT,),
        mean(-t * math.log(sigmoid(x)) - (1 - t) * math.log(1 - sigmoid(x)) for x, t in pairs(LOGITS, UNIT)),
    ),
    (nn.mean_squared_error, LOGITS, (TARGETS,), mean((x - t) ** 2 for x, t in pairs(LOGITS, TARGETS))),
    (nn.mean_absolute_error, LOGITS, (TARGETS,), mean(abs(x - t) for x, t in pairs(LOGITS, TARGETS))),
    (
        nn.huber,
        LOGITS,
        (TARGETS, 1.5),
        mean((x - t) ** 2 / 2 if abs(x - t) <= 1.5 else 1.5 * (abs(x - t) - 0.75) for x, t in pairs(LOGITS, TARGETS)),
    ),
    (nn.hinge, LOGITS, (BITS,), mean(max(0.0, 1 - x * (1 if t else -1)) for x, t in pairs(LOGITS, BITS))),
    (nn.multiclass_hinge, LOGITS, (LABELS,), mean(weston_watkins(r, k) for r, k in zip(LOGITS, LABELS, strict=True))),
    (
        nn.margin_ranking,
        LOGITS,
        (minidnn.Tensor(TARGETS), 2.0),
        mean(max(0.0, 2 - (g - b)) for g, b in pairs(LOGITS, TARGETS)),
    ),
    (
        nn.contrastive,
        LOGITS,
        (minidnn.Tensor(TARGETS), SAME, 3.0),
        mean(hadsell(a, b, s) for a, b, s in zip(LOGITS, TARGETS, SAME, strict=True)),
    ),
    (
        nn.kl_divergence,
        np.array([log_softmax(r) for r in LOGITS]),
        (SOFT,),
        mean(
            sum(t * (math.log(t) - p) for t, p in zip(s, log_softmax(r), strict=True))
            for r, s in zip(LOGITS, SOFT, strict=True)
        ),
    ),
]
IDS = [f"{i}-{row[0].__name__}" for i, row in enumerate(LOSSES)]


@pytest.mark.parametrize(("loss", "x", "arguments", "expected"), LOSSES, ids=IDS)
def test_value(loss, x, arguments, expected):
    assert math.isclose(loss(minidnn.Tensor(x), *arguments).item(), expected, rel_tol=1e-11)


@pytest.mark.parametrize(("loss", "x", "arguments", "expected"), LOSSES, ids=IDS)
def test_gradient(loss, x, arguments, expected):
    assert minidnn.gradcheck(lambda t: loss(t, *arguments), [x])


@pytest.mark.parametrize(("loss", "x", "arguments", "expected"), LOSSES, ids=IDS)
def test_float32(loss, x, arguments, expected):
    arguments = [minidnn.Tensor(a.data.astype(np.float32)) if isinstance(a, minidnn.Tensor) else a for a in arguments]
    value = loss(minidnn.Tensor(x.astype(np.float32)), *arguments)
    assert value.dtype == np.float32 and value.shape == ()
    # A mean of at most 28 terms, each a few roundings of numbers below 100.
    assert abs(value.item() - expected) < 28 * 8 * 100 * np.finfo(np.float32).eps


def test_every_loss_has_a_row():
    public = {loss for loss in map(vars(nn).get, nn.__all__) if getattr(loss, "__module__", "") == "minidnn.nn.losses"}
    assert public == {loss for loss, *_ in LOSSES}


def test_labels_and_their_one_hot_rows_are_the_same_loss():
    logits = minidnn.Tensor(LOGITS)
    assert math.isclose(
        nn.softmax_cross_entropy(logits, LABELS).item(), nn.softmax_cross_entropy(logits, np.eye(4)[LABELS]).item()
    )


WEIGHTED = [row for row in LOSSES if row[0] not in (nn.margin_ranking, nn.contrastive)]


@pytest.mark.parametrize(("loss", "x", "arguments", "expected"), WEIGHTED, ids=[row[0].__name__ for row in WEIGHTED])
def test_weights_are_those_of_the_examples(loss, x, arguments, expected):
    weights = rng.uniform(0.1, 3, size=len(x))
    first, *more = arguments
    alone = [loss(minidnn.Tensor(x[i : i + 1]), first[i : i + 1], *more).item() for i in range(len(x))]
    value = loss(minidnn.Tensor(x), first, *more, weights=weights).item()
    assert math.isclose(value, mean(w * one for w, one in zip(weights, alone, strict=True)), rel_tol=1e-11)
    assert minidnn.gradcheck(lambda t: loss(t, first, *more, weights=weights), [x])


@pytest.mark.parametrize("loss", [row[0] for row in WEIGHTED if row[0].takes.kind == "elements"])
def test_one_output_takes_only_targets_of_its_shape_or_flat_ones(loss):
    x, y = LOGITS[:, :1], BITS[:, 0]
    column, flat = loss(minidnn.Tensor(x), y), loss(minidnn.Tensor(x), y[:, np.newaxis])
    assert column.item() == flat.item()
    for other in (y[np.newaxis], y[:1], y[:, np.newaxis, np.newaxis]):
        with pytest.raises(ValueError, match="must be the same"):
            loss(minidnn.Tensor(x), other)


def test_signs_and_bits_are_the_same_hinge():
    assert nn.hinge(X, BITS).item() == nn.hinge(X, BITS * 2 - 1).item() == nn.hinge(X, BITS == 1).item()


def test_smoothed_bits():
    smooth = 0.8 * BITS + 0.1
    expected = mean(-t * math.log(sigmoid(x)) - (1 - t) * math.log(1 - sigmoid(x)) for x, t in pairs(LOGITS, smooth))
    assert math.isclose(nn.sigmoid_cross_entropy(X, BITS, label_smoothing=0.2).item(), expected, rel_tol=1e-11)


def test_extreme_logits_do_not_overflow():
    x = minidnn.Tensor(np.array([[1e4, -1e4]], np.float32), requires_grad=True)
    for loss in (nn.softmax_cross_entropy(x, [1]), nn.sigmoid_cross_entropy(x, [[0.0, 1.0]])):
        loss.backward()
        assert math.isfinite(loss.item()) and np.isfinite(x.grad).all()


def test_contrastive_has_a_gradient_where_the_pair_is_one_point():
    a = minidnn.Tensor(np.zeros((1, 3)), requires_grad=True)
    nn.contrastive(a, minidnn.Tensor(np.zeros((1, 3))), [0]).backward()
    assert np.isfinite(a.grad).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.mean_squared_error(X, TARGETS[:, :1]), ValueError, r"has shape \(7, 4\), targets has \(7, 1\)"),
        (lambda: nn.mean_absolute_error(X, TARGETS[0]), ValueError, "must be the same"),
        (lambda: nn.mean_squared_error(X, np.array([["a"] * 4] * 7)), TypeError, "must be numbers"),
        (lambda: nn.sigmoid_cross_entropy(X, TARGETS), ValueError, r"must be in \[0, 1\]"),
        (lambda: nn.sigmoid_cross_entropy(X, np.full((7, 4), np.nan)), ValueError, "got nan"),
        (lambda: nn.huber(X, TARGETS, delta=0), ValueError, "delta must be positive"),
        (lambda: nn.hinge(X, np.where(BITS == 1, 1, np.eye(7, 4) - 1)), ValueError, "0 or 1, or all of them -1 or 1"),
        (lambda: nn.hinge(X, BITS[0]), ValueError, "must be the same"),
        (lambda: nn.multiclass_hinge(X, LABELS + 1), ValueError, r"labels must be in \[0, 4\)"),
        (lambda: nn.multiclass_hinge(X, LABELS[:3]), ValueError, r"labels must be \(7,\)"),
        (lambda: nn.multiclass_hinge(X, LABELS * 1.0), TypeError, "integers"),
        (lambda: nn.margin_ranking(X, minidnn.Tensor(TARGETS[:1])), ValueError, "must be the same"),
        (lambda: nn.contrastive(X, X, [1, 0]), ValueError, r"same must be \(7,\)"),
        (lambda: nn.contrastive(X, X, SAME * 2), ValueError, "of 0 and 1"),
        (lambda: nn.kl_divergence(X, TARGETS), ValueError, "must not be negative"),
        (lambda: nn.softmax_cross_entropy(X, SOFT[:, :3]), ValueError, "must be the same"),
        (lambda: nn.softmax_cross_entropy(X, LABELS, 1.0), ValueError, "label_smoothing"),
        (lambda: nn.mean_squared_error(X[:, :1], TARGETS), ValueError, r"use a model whose outputs are \(batch, 4\)"),
        (lambda: nn.mean_squared_error(X[:, 0], TARGETS[:, :1]), ValueError, "must be the same"),
        (lambda: nn.mean_squared_error(X, TARGETS, weights=np.ones(4)), ValueError, r"weights has shape \(4,\)"),
        (lambda: nn.sigmoid_cross_entropy(X, BITS, label_smoothing=-0.1), ValueError, "label_smoothing"),
        (lambda: nn.mean_squared_error(minidnn.Tensor(np.zeros((0, 4))), np.zeros((0, 4))), ValueError, "empty"),
        (lambda: nn.margin_ranking(minidnn.Tensor(np.zeros(0)), minidnn.Tensor(np.zeros(0))), ValueError, "empty"),
    ],
)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
