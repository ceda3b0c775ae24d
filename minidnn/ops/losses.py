"""Losses as ops. Shapes are strict: a loss never broadcasts."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.handle import as_array
from minidnn.ops.activations import softplus, whole
from minidnn.reference.types import Labels
from minidnn.tensor import Tensor, as_tensor, record


def as_labels(op: str, labels: Any) -> Labels:
    """Returns labels as contiguous int64; copies labels of another integer type.

    Raises:
        TypeError: they are not integers.
    """
    array = np.asarray(as_array(labels))
    if array.dtype.kind not in "iu":
        raise TypeError(f"{op}: labels must be integers, got an array of {array.dtype}")
    return kernels.astype(array, "int64")


def binary_terms(logits: Tensor, targets: Any) -> Tensor:
    """``-t * log(p) - (1 - t) * log(1 - p)`` of each element, as ``log(1 + exp(x)) - t * x``, without overflow."""
    return softplus(logits) - logits * targets


def l1_l2_penalty(w: Tensor, l1: float, l2: float) -> Tensor:
    """``y = l1 * sum(|w|) + l2 * sum(w**2)``, summed in float64."""
    w = as_tensor(w)
    value = whole(w._data)
    return record(
        kernels.l1_l2_penalty(value, l1, l2),
        (w,),
        lambda dy: (kernels.l1_l2_gradient(value, dy, l1, l2),),
        reads=(w,),
        op="l1_l2_penalty",
        l1=l1,
        l2=l2,
    )


def softmax_cross_entropy(logits: Tensor, labels: Any) -> Tensor:
    """losses[i] = -log(softmax(logits[i])[labels[i]]): one loss per example.

    Args:
        logits: (batch, classes).
        labels: (batch,), integers in [0, classes).

    Raises:
        TypeError: labels are not integers.
        ValueError: shapes that do not fit, or a label out of range.
    """
    logits = as_tensor(logits)
    losses, dlogits = kernels.softmax_cross_entropy(whole(logits._data), as_labels("softmax_cross_entropy", labels))
    return record(
        losses,
        (logits,),
        lambda dy: (kernels.scale_rows(dlogits, whole(dy)),),
        op="softmax_cross_entropy",
        labels=labels,
    )
