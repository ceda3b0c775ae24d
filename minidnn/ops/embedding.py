"""Lookup of rows of a matrix by index, and their sums and means."""

from __future__ import annotations

from typing import Any, Literal

from minidnn import kernels
from minidnn.ops.activations import whole
from minidnn.ops.losses import as_labels
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record

NO_PADDING = -(2**63)  # no index has this value


def embedding(weight: Tensor, indices: Any, padding: int | None = None) -> Tensor:
    """``y[..., :] = weight[indices[...]]``: one row per index.

    Args:
        weight: (rows, n).
        indices: integers in [0, rows), of any shape.
        padding: an index whose row gets no gradient, as PyTorch's ``padding_idx``.

    Raises:
        TypeError: indices are not integers.
        ValueError: weight does not have 2 axes, or an index is out of range.
    """
    op = "embedding"
    weight = _matrix(op, weight)
    entries = as_labels(op, indices)
    bags = kernels.reshape(entries, (-1, 1))  # of one index each
    rows, n, dtype = len(weight), weight._data.shape[1], weight.dtype
    try:
        y = kernels.embedding_bag(whole(weight._data), bags, None, NO_PADDING, False)
    except ValueError as error:  # an index out of range; the message names the kernel
        raise ValueError(str(error).replace("embedding_bag", op, 1)) from None
    y = kernels.reshape(y, (*entries.shape, n))

    def backward(dy: Array) -> tuple[Array | None, ...]:
        flat = kernels.reshape(_like(dy, dtype), (bags.shape[0], n))
        skipped = NO_PADDING if padding is None else int(padding)
        return (kernels.embedding_bag_backward(whole(flat), bags, None, skipped, False, rows),)

    return record(y, (weight,), backward, op=op, indices=indices)


def embedding_bag(
    weight: Tensor,
    indices: Any,
    offsets: Any = None,
    mode: Literal["sum", "mean"] = "mean",
    padding: int | None = None,
) -> Tensor:
    """``y[b]`` = the sum or the mean of ``weight[i]`` over the indices i in bag b; 0 for an empty bag.

    Args:
        weight: (rows, n).
        indices: integers in [0, rows): a matrix (bags, width) with one bag per row; or, with offsets, a vector of all
            bags one after the other.
        offsets: (bags,), the position where each bag starts; the first is 0.
        mode: "sum" or "mean".
        padding: an index that is ignored, so that bags of different sizes fit a matrix.

    Raises:
        TypeError: indices or offsets are not integers.
        ValueError: shapes that do not fit, an index out of range, decreasing offsets, an unknown mode.
    """
    op = "embedding_bag"
    if mode not in ("sum", "mean"):
        raise ValueError(f"{op}: mode must be 'sum' or 'mean', got {mode!r}")
    weight = _matrix(op, weight)
    entries = as_labels(op, indices)
    starts = None if offsets is None else as_labels(op, offsets)
    options = NO_PADDING if padding is None else int(padding), mode == "mean"
    rows, dtype = len(weight), weight.dtype
    y = kernels.embedding_bag(whole(weight._data), entries, starts, *options)
    return record(
        y,
        (weight,),
        lambda dy: (kernels.embedding_bag_backward(whole(_like(dy, dtype)), entries, starts, *options, rows),),
        op="embedding_bag",
        indices=indices,
        offsets=offsets,
        mode=mode,
        padding=padding,
    )


def _matrix(op: str, weight: Any) -> Tensor:
    weight = as_tensor(weight)
    if weight.ndim != 2:
        raise ValueError(f"{op}: weight has shape {weight.shape}, must have 2 axes")
    return weight


def _like(dy: Array, dtype: Any) -> Array:
    return dy if dy.dtype == dtype else kernels.astype(dy, dtype.str)
