"""Metrics: plain numbers, off the tape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn.ops.losses import as_labels
from minidnn.tensor import Tensor


def in_top_k(logits: Any, labels: Any, k: int) -> npt.NDArray[np.bool_]:
    """Whether the label's logit is among the k largest of its row; ties count as within, as in TensorFlow.

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
    rows = np.asarray(logits.data if isinstance(logits, Tensor) else logits)
    y = as_labels("in_top_k", labels)
    if rows.ndim != 2 or y.shape != rows.shape[:1]:
        raise ValueError(
            f"in_top_k: logits has shape {rows.shape}, labels has {y.shape}: must be (batch, classes) and (batch,)"
        )
    if k < 1:
        raise ValueError(f"in_top_k: k must be at least 1, got {k}")
    if y.size and not (y.min() >= 0 and y.max() < rows.shape[1]):
        raise ValueError(f"in_top_k: labels must be in [0, {rows.shape[1]}), got {y.min()} to {y.max()}")
    own = rows[np.arange(len(rows)), y]
    larger = rows > own[:, np.newaxis]
    below = ~larger.any(axis=1) if k == 1 else np.count_nonzero(larger, axis=1) < k
    found: npt.NDArray[np.bool_] = below & np.isfinite(own)
    return found


def accuracy(logits: Any, labels: Any) -> float:
    """The share of rows whose largest logit is the label's, in [0, 1]: the mean of `in_top_k` with k = 1.

    Raises:
        TypeError, ValueError: as `in_top_k`; ValueError for an empty batch.
    """
    found = in_top_k(logits, labels, 1)
    if not found.size:
        raise ValueError("accuracy: the batch is empty")
    return np.count_nonzero(found) / found.size
