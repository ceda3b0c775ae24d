"""Losses: the mean over the batch, as a scalar on the tape.

Nothing broadcasts: targets (batch,) match outputs (batch,) or (batch, 1); other targets must have the shape of the
outputs. Each loss declares what it takes (`minidnn.nn.takes`), which `training.fit` checks before the first update.
``weights`` are one number per example: the loss is the mean of ``weight * loss`` over the batch, not divided by the sum
of the weights.

All losses raise ValueError for shapes that do not fit and for an empty batch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidnn import kernels, ops
from minidnn.checks import same_shape
from minidnn.handle import as_array
from minidnn.nn.takes import Takes, bad_values, fitting, takes
from minidnn.ops.losses import as_labels, binary_terms
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_result

CLASSES = Takes("classes", soft=True, activation="softmax", metrics="accuracy")
MARGINS = Takes("classes", metrics="accuracy")
PROBABILITIES = Takes("elements", values="probabilities", activation="sigmoid", metrics="accuracy")
SIGNS = Takes("elements", values="signs", metrics="accuracy")
NUMBERS = Takes("elements", metrics="regression")
DISTRIBUTIONS = Takes("rows", values="probabilities")


@takes(CLASSES)
def softmax_cross_entropy(logits: Tensor, labels: Any, label_smoothing: float = 0.0, weights: Any = None) -> Tensor:
    """The mean of ``-sum over classes of target * log(softmax(logits))``.

    Args:
        logits: (batch, classes).
        labels: integers (batch,) in [0, classes), which mean one-hot targets; or floating targets (batch, classes).
        label_smoothing: in [0, 1); targets become ``(1 - s) * target + s / classes`` (Szegedy et al. 2016).
        weights: (batch,).

    Raises:
        TypeError: labels are neither integers nor floating.
        ValueError: a label or label_smoothing is out of range.
    """
    op = "softmax_cross_entropy"
    _check_batch(op, "logits", logits, ndim=2)
    _check_smoothing(op, label_smoothing)
    targets = np.asarray(as_array(labels))
    if targets.dtype.kind != "f" or targets.ndim != 2:
        losses = ops.softmax_cross_entropy(logits, labels)
        if label_smoothing == 0.0:
            return _mean(op, losses, weights)
        smooth = -ops.mean(ops.log_softmax(logits), axis=1)
        return _mean(op, (1.0 - label_smoothing) * losses + label_smoothing * smooth, weights)
    same_shape(op, "logits", logits._data, "labels", targets)
    soft = _smoothed(_cast(targets, logits), label_smoothing, logits.shape[1])
    return _mean(op, -ops.sum(ops.log_softmax(logits) * soft, axis=1), weights)


@takes(PROBABILITIES)
def sigmoid_cross_entropy(logits: Tensor, targets: Any, label_smoothing: float = 0.0, weights: Any = None) -> Tensor:
    """The mean over all elements of ``-t * log(p) - (1 - t) * log(1 - p)``, with ``p = 1 / (1 + exp(-logits))``.

    For two classes with one output, and for multi-label targets. Computed without overflow.

    Args:
        logits: any shape.
        targets: the same shape, or (batch,) for logits (batch, 1); in [0, 1].
        label_smoothing: in [0, 1); targets become ``(1 - s) * target + s / 2``.
        weights: (batch,).

    Raises:
        ValueError: a target or label_smoothing is out of range.
    """
    op = "sigmoid_cross_entropy"
    _check_smoothing(op, label_smoothing)
    logits, t = _paired(op, "logits", logits, targets, PROBABILITIES)
    return _mean(op, binary_terms(logits, _smoothed(t, label_smoothing, 2)), weights)


@takes(NUMBERS)
def mean_squared_error(predictions: Tensor, targets: Any, weights: Any = None) -> Tensor:
    """The mean over all elements of ``(prediction - target) ** 2``; weights are (batch,)."""
    predictions, t = _paired("mean_squared_error", "predictions", predictions, targets)
    error = predictions - t
    return _mean("mean_squared_error", error * error, weights)


@takes(NUMBERS)
def mean_absolute_error(predictions: Tensor, targets: Any, weights: Any = None) -> Tensor:
    """The mean over all elements of ``|prediction - target|``; weights are (batch,)."""
    predictions, t = _paired("mean_absolute_error", "predictions", predictions, targets)
    return _mean("mean_absolute_error", ops.abs(predictions - t), weights)


@takes(NUMBERS)
def huber(predictions: Tensor, targets: Any, delta: float = 1.0, weights: Any = None) -> Tensor:
    """The mean over all elements of ``e**2 / 2`` where ``|e| <= delta``, else ``delta * (|e| - delta / 2)``.

    Huber 1964; e is prediction - target.

    Args:
        delta: > 0, the ``|e|`` above which the loss is linear.
        weights: (batch,).
    """
    if not delta > 0:
        raise ValueError(f"huber: delta must be positive, got {delta}")
    predictions, t = _paired("huber", "predictions", predictions, targets)
    error = ops.abs(predictions - t)
    near = ops.minimum(error, delta)  # e**2 / 2 + delta * 0, or delta**2 / 2 + delta * (|e| - delta)
    return _mean("huber", 0.5 * near * near + delta * (error - near), weights)


@takes(SIGNS)
def hinge(scores: Tensor, labels: Any, weights: Any = None) -> Tensor:
    """The mean of ``max(0, 1 - sign * score)``, with sign +1 for label 1, -1 for 0 or -1 (Cortes & Vapnik 1995).

    Args:
        scores: any shape.
        labels: the same shape, or (batch,) for scores (batch, 1); all of them 0 or 1, or all -1 or 1.
        weights: (batch,).

    Raises:
        ValueError: a label has another value.
    """
    scores, y = _paired("hinge", "scores", scores, labels, SIGNS)
    signs = ops.maximum(2.0 * Tensor(y) - 1.0, -1.0)
    return _mean("hinge", ops.maximum(1.0 - scores * signs, 0.0), weights)


@takes(MARGINS)
def multiclass_hinge(scores: Tensor, labels: Any, margin: float = 1.0, weights: Any = None) -> Tensor:
    """The mean of ``sum over j != label of max(0, margin + score[j] - score[label])`` (Weston & Watkins 1999).

    Args:
        scores: (batch, classes).
        labels: (batch,), integers in [0, classes).
        margin: > 0.
        weights: (batch,).

    Raises:
        TypeError: labels are not integers.
        ValueError: a label out of range.
    """
    op = "multiclass_hinge"
    y = as_labels(op, labels)
    _check_batch(op, "scores", scores, ndim=2)
    batch, classes = scores.shape
    if y.shape != (batch,):
        raise ValueError(f"{op}: labels has shape {y.shape}, scores has {scores.shape}: labels must be ({batch},)")
    _check_values(op, MARGINS, y, classes)
    own = ops.gather(scores, as_result(y[:, np.newaxis]), axis=1)
    violations = ops.maximum(scores - own + margin, 0.0)  # the term of the label itself is the margin
    if weights is None:
        return ops.mean(ops.sum(violations, axis=1)) - margin
    return _mean(op, ops.sum(violations, axis=1) - margin, weights)


def margin_ranking(good: Tensor, bad: Tensor, margin: float = 1.0) -> Tensor:
    """The mean of ``max(0, margin - (good - bad))``: good instances should score above bad ones by a margin.

    Max-margin learning (Collobert & Weston 2008).

    Args:
        good, bad: scores of the same shape.
        margin: > 0.
    """
    _check_batch("margin_ranking", "good", good)
    same_shape("margin_ranking", "good", good._data, "bad", bad._data)
    return ops.mean(ops.maximum(margin - (good - bad), 0.0))


margin_ranking_loss = margin_ranking
"""The name in PyTorch."""


def contrastive(a: Tensor, b: Tensor, same: Any, margin: float = 1.0) -> Tensor:
    """The mean of ``d**2`` for pairs that are the same, else ``max(0, margin - d)**2`` (Hadsell et al. 2006).

    ``d = |a - b|`` is the distance of the embeddings, as ``sqrt(d**2 + 1e-12)``: the root has no gradient at 0.

    Args:
        a, b: (batch, n).
        same: (batch,), booleans or 0 and 1.
        margin: > 0.
    """
    _check_batch("contrastive", "a", a, ndim=2)
    same_shape("contrastive", "a", a._data, "b", b._data)
    pairs = np.asarray(as_array(same))
    batch = len(a)

    if pairs.shape != (batch,):
        raise ValueError(f"contrastive: same must be ({batch},) of 0 and 1, got shape {pairs.shape}")
    kernels.check_binary(pairs, f"contrastive: same must be ({batch},) of 0 and 1")
    difference = a - b
    squared = ops.sum(difference * difference, axis=1)
    gap = ops.maximum(margin - ops.sqrt(squared + 1e-12), 0.0)
    return ops.mean(ops.where(as_result(pairs), squared, gap * gap))


@takes(DISTRIBUTIONS)
def kl_divergence(log_probabilities: Tensor, targets: Any, weights: Any = None) -> Tensor:
    """The mean over the batch of ``sum over classes of t * (log(t) - log p)`` (Kullback & Leibler 1951).

    Args:
        log_probabilities: (batch, classes), such as `ops.log_softmax` returns.
        targets: (batch, classes), >= 0; the term of a target of 0 is 0.
        weights: (batch,).
    """
    op = "kl_divergence"
    _check_batch(op, "log_probabilities", log_probabilities, ndim=2)
    same_shape(op, "log_probabilities", log_probabilities._data, "targets", np.asarray(as_array(targets)))
    log_probabilities, t = _paired(op, "log_probabilities", log_probabilities, targets)
    kernels.check_between(t, 0, math.inf, "kl_divergence: targets must not be negative")
    share = Tensor(t)
    entropy = share * ops.log(ops.maximum(share, float(np.finfo(t.dtype).tiny)))
    return _mean(op, ops.sum(entropy - log_probabilities * share, axis=1), weights)


def _paired(op: str, name: str, x: Tensor, targets: Any, values: Takes | None = None) -> tuple[Tensor, Array]:
    """Returns outputs and targets in one shape and dtype: outputs (batch, 1) are reshaped to targets (batch,).

    Raises:
        TypeError: targets are not numbers.
        ValueError: the shapes differ, the batch is empty, or the loss does not take these values.
    """
    t = np.asarray(as_array(targets))
    if t.dtype.kind not in "fiub":
        raise TypeError(f"{op}: targets must be numbers, got an array of {t.dtype}")
    if t.ndim == 1 and x.shape == (*t.shape, 1):
        x = ops.reshape(x, t.shape)
    if x.shape != t.shape:
        raise ValueError(
            f"{op}: {name} has shape {x.shape}, targets has {t.shape}: they must be the same, or (batch,) with "
            f"(batch, 1) outputs; {fitting(x.shape, t)}"
        )
    _check_batch(op, name, x)
    if values is not None:
        _check_values(op, values, t)
    return x, _cast(t, x)


def _cast(t: Array, x: Tensor) -> Array:
    """Returns the array in the dtype of x."""
    return kernels.astype(t, x.dtype.str)


def _smoothed(t: Array, amount: float, classes: int) -> Tensor:
    return Tensor(t) if amount == 0.0 else (1.0 - amount) * Tensor(t) + amount / classes


def _mean(op: str, losses: Tensor, weights: Any) -> Tensor:
    """The mean of the losses, (batch, ...), or of ``weight * loss`` over the examples."""
    if weights is None:
        return ops.mean(losses)
    w = np.asarray(as_array(weights))
    if w.shape != losses.shape[:1] or w.dtype.kind not in "fiu":
        raise ValueError(f"{op}: weights has shape {w.shape} {w.dtype}, must be numbers of shape {losses.shape[:1]}")
    if losses.ndim > 1:
        losses = ops.mean(losses, axis=tuple(range(1, losses.ndim)))
    return ops.mean(losses * as_result(_cast(w, losses)))


def _check_values(op: str, description: Takes, y: Array, classes: int | None = None) -> None:
    if kernels.recorder() is None:
        if fault := bad_values(op, description, y, classes):
            raise ValueError(fault)
    elif description.kind == "classes":  # each replay has new targets, so kernels check them
        kernels.check_between(y, 0, (classes or 1) - 1, f"{op}: labels must be in [0, {classes})")
    elif description.values == "probabilities":
        kernels.check_between(y, 0, 1, f"{op}: targets must be in [0, 1]")
    elif description.values == "signs":
        kernels.check_signs(y, f"{op}: labels must be 0 or 1, or all of them -1 or 1")


def _check_smoothing(op: str, amount: float) -> None:
    if not 0.0 <= amount < 1.0:
        raise ValueError(f"{op}: label_smoothing must be in [0, 1), got {amount}")


def _check_batch(op: str, name: str, x: Tensor, ndim: int | None = None) -> None:
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"{op}: {name} has shape {x.shape}, must have {ndim} axes")
    if not x.size:
        raise ValueError(f"{op}: {name} has shape {x.shape}, the batch is empty")
