"""Losses: the mean over the batch, as a scalar on the tape. Shapes are strict, nothing broadcasts.

All raise ValueError for shapes that do not fit and for an empty batch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidnn import kernels, ops
from minidnn.checks import as_targets, same_shape
from minidnn.handle import as_array
from minidnn.ops.losses import as_labels
from minidnn.tensor import Tensor, as_result


def softmax_cross_entropy(logits: Tensor, labels: Any, label_smoothing: float = 0.0) -> Tensor:
    """The mean of ``-sum over classes of target * log(softmax(logits))``.

    Args:
        logits: (batch, classes).
        labels: integers in [0, classes) of shape (batch,), which stand for one-hot targets; or the targets themselves,
            floating, (batch, classes).
        label_smoothing: in [0, 1); targets become ``(1 - s) * target + s / classes`` (Szegedy et al. 2016).

    Raises:
        TypeError: labels are neither integers nor floating.
        ValueError: a label out of range, label_smoothing out of range.
    """
    op = "softmax_cross_entropy"
    _check_batch(op, "logits", logits, ndim=2)
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"{op}: label_smoothing must be in [0, 1), got {label_smoothing}")
    targets = np.asarray(as_array(labels))
    if targets.dtype.kind != "f" or targets.ndim != 2:
        losses = ops.softmax_cross_entropy(logits, labels)
        if label_smoothing == 0.0:
            return ops.mean(losses)
        smooth = -ops.mean(ops.log_softmax(logits), axis=1)
        return ops.mean((1.0 - label_smoothing) * losses + label_smoothing * smooth)
    same_shape(op, "logits", logits._data, "labels", targets)
    soft = kernels.astype(targets, logits.dtype.str)
    if label_smoothing:
        soft = kernels.add(kernels.multiply(soft, 1.0 - label_smoothing), label_smoothing / logits.shape[1])
    return ops.mean(-ops.sum(ops.log_softmax(logits) * as_result(soft), axis=1))


def sigmoid_cross_entropy(logits: Tensor, targets: Any) -> Tensor:
    """The mean over all elements of ``-t * log(p) - (1 - t) * log(1 - p)``, with ``p = 1 / (1 + exp(-logits))``.

    Computed as ``softplus(x) - t * x``, in which nothing overflows.

    Args:
        logits: any shape.
        targets: the same shape, in [0, 1].
    """
    t = as_targets("sigmoid_cross_entropy", "logits", logits, targets)
    kernels.check_between(t, 0, 1, "sigmoid_cross_entropy: targets must be in [0, 1]")
    return ops.mean(ops.softplus(logits) - logits * as_result(t))


def mean_squared_error(predictions: Tensor, targets: Any) -> Tensor:
    """The mean over all elements of ``(prediction - target) ** 2``."""
    error = predictions - as_result(as_targets("mean_squared_error", "predictions", predictions, targets))
    return ops.mean(error * error)


def mean_absolute_error(predictions: Tensor, targets: Any) -> Tensor:
    """The mean over all elements of ``|prediction - target|``."""
    t = as_result(as_targets("mean_absolute_error", "predictions", predictions, targets))
    return ops.mean(ops.abs(predictions - t))


def huber(predictions: Tensor, targets: Any, delta: float = 1.0) -> Tensor:
    """The mean over all elements of ``e**2 / 2`` where ``|e| <= delta``, else ``delta * (|e| - delta / 2)``.

    Huber 1964; e is prediction - target.

    Args:
        delta: > 0, where the square turns into a line.
    """
    if not delta > 0:
        raise ValueError(f"huber: delta must be positive, got {delta}")
    error = ops.abs(predictions - as_result(as_targets("huber", "predictions", predictions, targets)))
    near = ops.minimum(error, delta)  # e**2 / 2 + delta * 0, or delta**2 / 2 + delta * (|e| - delta)
    return ops.mean(0.5 * near * near + delta * (error - near))


def hinge(scores: Tensor, labels: Any) -> Tensor:
    """The mean of ``max(0, 1 - sign * score)``, with sign +1 for label 1 and -1 for label 0 (Cortes & Vapnik 1995).

    Args:
        scores: any shape.
        labels: the same shape, integers or booleans, 0 or 1.

    Raises:
        ValueError: a label that is neither 0 nor 1.
    """
    y = np.asarray(as_array(labels))
    _check_batch("hinge", "scores", scores)
    same_shape("hinge", "scores", scores._data, "labels", y)
    kernels.check_binary(y, "hinge: labels must be 0 or 1")
    signs = kernels.subtract(kernels.multiply(kernels.astype(y, scores.dtype.str), 2.0), 1.0)
    return ops.mean(ops.maximum(1.0 - scores * as_result(signs), 0.0))


def multiclass_hinge(scores: Tensor, labels: Any, margin: float = 1.0) -> Tensor:
    """The mean of ``sum over j != label of max(0, margin + score[j] - score[label])`` (Weston & Watkins 1999).

    Args:
        scores: (batch, classes).
        labels: (batch,), integers in [0, classes).
        margin: > 0.

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

    kernels.check_between(y, 0, classes - 1, f"{op}: labels must be in [0, {classes})")
    own = ops.gather(scores, as_result(y[:, np.newaxis]), axis=1)
    violations = ops.maximum(scores - own + margin, 0.0)  # the label's own is the margin itself
    return ops.mean(ops.sum(violations, axis=1)) - margin


def margin_ranking(good: Tensor, bad: Tensor, margin: float = 1.0) -> Tensor:
    """The mean of ``max(0, margin - (good - bad))``: good instances shall score above bad ones by a margin.

    The chapter's max-margin learning (Collobert & Weston 2008).

    Args:
        good, bad: scores of the same shape.
        margin: > 0.
    """
    _check_batch("margin_ranking", "good", good)
    same_shape("margin_ranking", "good", good._data, "bad", bad._data)
    return ops.mean(ops.maximum(margin - (good - bad), 0.0))


margin_ranking_loss = margin_ranking
"""PyTorch's name for it."""


def contrastive(a: Tensor, b: Tensor, same: Any, margin: float = 1.0) -> Tensor:
    """The mean of ``d**2`` for pairs that are the same, else ``max(0, margin - d)**2`` (Hadsell et al. 2006).

    ``d = |a - b|`` is the distance of the embeddings, kept 1e-6 away from 0, where it has no gradient.

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


def kl_divergence(log_probabilities: Tensor, targets: Any) -> Tensor:
    """The mean over the batch of ``sum over classes of t * (log(t) - log p)`` (Kullback & Leibler 1951).

    Args:
        log_probabilities: (batch, classes), such as `ops.log_softmax` gives.
        targets: (batch, classes), >= 0; where t is 0 its term is 0.
    """
    _check_batch("kl_divergence", "log_probabilities", log_probabilities, ndim=2)
    t = as_targets("kl_divergence", "log_probabilities", log_probabilities, targets)
    kernels.check_between(t, 0, math.inf, "kl_divergence: targets must not be negative")
    cross = log_probabilities * as_result(t)
    return ops.mean(ops.sum(as_result(kernels.entropy_terms(t)) - cross, axis=1))


def _check_batch(op: str, name: str, x: Tensor, ndim: int | None = None) -> None:
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"{op}: {name} has shape {x.shape}, must have {ndim} axes")
    if not x.size:
        raise ValueError(f"{op}: {name} has shape {x.shape}, the batch is empty")
