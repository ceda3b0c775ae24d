"""Softmax, its logarithm and cross-entropy along the last axis, and sums of rows and columns."""

from __future__ import annotations

import numpy as np

from minidnn.reference.types import Floats, Labels


def softmax(x: Floats) -> Floats:
    """``y = exp(x) / sum(exp(x))`` along the last axis; the row's maximum is subtracted first."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = y * (dy - sum(dy * y))``."""
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax(x: Floats) -> Floats:
    """``y = x - log(sum(exp(x)))`` along the last axis."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy - exp(y) * sum(dy)``."""
    return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def softmax_cross_entropy(logits: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """``loss = -log(softmax(logits)[label])`` for each row, and its gradient ``softmax(logits) - onehot(labels)``."""
    classes, labels = logits.shape[-1], labels.copy()  # a copy, because another thread may change them
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"softmax_cross_entropy: labels has shape {labels.shape}, logits has {logits.shape}")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):  # NumPy would read -1 as the last class
        raise ValueError(
            f"softmax_cross_entropy: labels must be in [0, {classes}), got {labels.min()} to {labels.max()}"
        )
    rows = np.arange(len(labels))
    losses = -log_softmax(logits)[rows, labels]
    dlogits = softmax(logits)
    dlogits[rows, labels] -= 1
    return losses, dlogits


def row_sum(x: Floats) -> Floats:
    """The sum of each row of a matrix."""
    return np.asarray(x.sum(axis=1))


def column_sum(x: Floats) -> Floats:
    """The sum of each column of a matrix."""
    return np.asarray(x.sum(axis=0))
