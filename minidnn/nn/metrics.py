"""Metrics: NumPy arrays and Python numbers, off the tape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn.ops.losses import as_labels
from minidnn.pipeline import is_largest
from minidnn.tensor import Tensor


def in_top_k(logits: Any, labels: Any, k: int) -> npt.NDArray[np.bool_]:
    """Whether the label's logit is among the k largest of its row; ties count as correct, as in TensorFlow.

    Args:
        logits: (batch, classes).
        labels: (batch,), integers in [0, classes).
        k: at least 1.

    Returns:
        bool (batch,); False for a row where the label's logit is not finite.

    Raises:
        TypeError: labels are not integers.
        ValueError: k < 1, shapes that do not fit, a label out of range.
    """
    if k < 1:
        raise ValueError(f"in_top_k: k must be at least 1, got {k}")
    rows, y = _checked("in_top_k", logits, labels)
    if y.size and not (y.min() >= 0 and y.max() < rows.shape[1]):
        raise ValueError(f"in_top_k: labels must be in [0, {rows.shape[1]}), got {y.min()} to {y.max()}")
    own = rows[np.arange(len(rows)), y]
    found: npt.NDArray[np.bool_] = (np.count_nonzero(rows > own[:, np.newaxis], axis=1) < k) & np.isfinite(own)
    return found


def is_correct(logits: Any, labels: Any) -> npt.NDArray[np.bool_]:
    """Whether ``argmax`` of a row of logits is the label; of equal logits the first counts.

    Args:
        logits: (batch, classes).
        labels: (batch,), integers in [0, classes).

    Returns:
        bool (batch,); False for a row with a NaN, or where the label's logit is infinite.

    Raises:
        TypeError: labels are not integers.
        ValueError: shapes that do not fit, a label out of range.
    """
    rows, y = _checked("accuracy", logits, labels)
    try:
        return is_largest(rows, y)
    except IndexError as error:
        raise ValueError(f"accuracy: {error}") from None


def accuracy(logits: Any, labels: Any) -> float:
    """The fraction of rows whose largest logit is that of the label, in [0, 1].

    Of equal logits the first is the prediction, so a model with constant logits does not score 1.

    Raises:
        TypeError, ValueError: as `in_top_k`; ValueError for an empty batch.
    """
    found = is_correct(logits, labels)
    if not found.size:
        raise ValueError("accuracy: the batch is empty")
    return np.count_nonzero(found) / found.size


def _checked(name: str, logits: Any, labels: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rows = np.asarray(logits.data if isinstance(logits, Tensor) else logits)
    y = as_labels(name, labels)
    if rows.ndim != 2 or y.shape != rows.shape[:1]:
        raise ValueError(
            f"{name}: logits has shape {rows.shape}, labels has {y.shape}: must be (batch, classes) and (batch,)"
        )
    return rows, y
