"""Losses of pairs, as functions of outputs and labels for `training.fit`."""

from __future__ import annotations

from typing import Any

from minidnn import kernels, nn, ops
from minidnn.ops.losses import as_labels
from minidnn.tensor import Tensor, as_result


def contrastive(outputs: Tensor, same: Any) -> Tensor:
    """The mean of ``d**2`` for pairs that are the same, else ``max(0, margin - d)**2`` (Hadsell, Chopra, LeCun 2006).

    The same as `nn.contrastive`, for the outputs of `Distance`.

    Args:
        outputs: (batch, 2), d and margin - d.
        same: (batch,), integers, 0 or 1.

    Raises:
        TypeError, ValueError: labels or shapes that do not fit.
    """
    labels = as_labels("contrastive", same)
    _check_outputs("contrastive", outputs, len(labels))
    kernels.check_between(labels, 0, 1, "contrastive: same must be 0 or 1")
    d, gap = outputs[:, 0], ops.maximum(outputs[:, 1], 0.0)
    return ops.mean(ops.where(as_result(labels), d * d, gap * gap))


def margin_ranking(scores: Tensor, labels: Any = None, margin: float = 1.0) -> Tensor:
    """`nn.margin_ranking_loss` of the scores of pairs, of which the first should be higher.

    Args:
        scores: (batch, 2).
        labels: ignored; `GoodBesideBad` has zeros.
        margin: > 0; use ``functools.partial`` to change it.

    Raises:
        ValueError: scores is not (batch, 2), or is empty.
    """
    _check_outputs("margin_ranking", scores, len(scores))
    return nn.margin_ranking_loss(scores[:, 0], scores[:, 1], margin)


def _check_outputs(op: str, outputs: Tensor, batch: int) -> None:
    if outputs.shape != (batch, 2) or not batch:
        raise ValueError(f"{op}: the outputs have shape {outputs.shape}, must be ({batch}, 2) and not empty")
