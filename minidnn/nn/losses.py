"""Losses: the mean over the batch, as a scalar on the tape. Shapes are strict, nothing broadcasts."""

from __future__ import annotations

from typing import Any

from minidnn import ops
from minidnn.tensor import Tensor


def softmax_cross_entropy(logits: Tensor, labels: Any) -> Tensor:
    """The mean of ``-log(softmax(logits[i])[labels[i]])``.

    Args:
        logits: (batch, classes), batch > 0.
        labels: (batch,), integers in [0, classes).

    Raises:
        TypeError: labels are not integers.
        ValueError: shapes that do not fit, an empty batch, a label out of range.
    """
    if logits.shape[:1] == (0,):
        raise ValueError(f"softmax_cross_entropy: logits has shape {logits.shape}, the batch is empty")
    return ops.mean(ops.softmax_cross_entropy(logits, labels))
