"""Sums, means and extremes over axes."""

from __future__ import annotations

import numpy as np

from minidnn import kernels
from minidnn.recording import replayable
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record

Axis = int | tuple[int, ...] | None


def _spread(reduced: Array, axis: Axis, keepdims: bool, ndim: int) -> Array:
    """Puts back the axes that a reduction removed, so that the array broadcasts against what was reduced."""
    if keepdims or axis is None or ndim == 0:
        return reduced.reshape((1,) * ndim) if axis is None or ndim == 0 else reduced
    axes = (axis,) if isinstance(axis, int) else axis
    return np.expand_dims(reduced, tuple(i % ndim for i in axes))


def _count(x: Array, y: Array) -> float:
    return x.size / (y.size or 1)


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the sum over the axes, all of them by default."""
    x = as_tensor(x)
    shape = x.data.shape
    y = replayable(lambda value: value.sum(axis=axis, keepdims=keepdims), x.data)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (np.broadcast_to(_spread(dy, axis, keepdims, len(shape)), shape),)

    return record(y, (x,), backward)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the mean over the axes, all of them by default."""
    x = as_tensor(x)
    value, shape = x.data, x.data.shape
    if axis is None and not keepdims and value.size and kernels.uniform(value, value):
        return record(kernels.mean(value), (x,), lambda dy: (kernels.mean_backward(dy, value),))
    y = replayable(lambda v: v.mean(axis=axis, keepdims=keepdims), value)
    n = _count(value, y)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        share = replayable(lambda dy: dy / dy.dtype.type(n), dy)
        return (np.broadcast_to(_spread(share, axis, keepdims, len(shape)), shape),)

    return record(y, (x,), backward)


def var(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = mean((x - mean(x)) ** 2) over the axes (divided by n, as NumPy does)."""
    x = as_tensor(x)
    value, ndim = x.data, x.data.ndim
    y = replayable(lambda v: v.var(axis=axis, keepdims=keepdims), value)
    n = _count(value, y)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        def gradient(dy: Array, value: Array) -> Array:
            centred = value - value.mean(axis=axis, keepdims=True)
            return np.asarray(_spread(dy, axis, keepdims, ndim) * centred * value.dtype.type(2 / (n or 1)))

        return (replayable(gradient, dy, value),)

    return record(y, (x,), backward, reads=(x,))


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the largest element over the axes; equal ones share the gradient."""
    x = as_tensor(x)
    return _extreme(x, replayable(lambda v: v.max(axis=axis, keepdims=keepdims), x.data), axis, keepdims, "max")


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the smallest element over the axes; equal ones share the gradient."""
    x = as_tensor(x)
    return _extreme(x, replayable(lambda v: v.min(axis=axis, keepdims=keepdims), x.data), axis, keepdims, "min")


def _extreme(x: Tensor, y: Array, axis: Axis, keepdims: bool, op: str) -> Tensor:
    ndim = x.data.ndim
    winners = replayable(lambda v, y: v == _spread(y, axis, keepdims, ndim), x.data, y)

    def gradient(dy: Array, winners: Array) -> Array:
        shares = winners / winners.sum(axis=axis, keepdims=True)
        return np.asarray(_spread(dy, axis, keepdims, ndim) * shares.astype(dy.dtype))

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (replayable(gradient, dy, winners),)

    backward.__qualname__ = op
    return record(y, (x,), backward)
