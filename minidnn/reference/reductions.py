"""Sums, means and extremes over axes, computed by NumPy."""

from __future__ import annotations

import numpy as np

from minidnn.reference.types import Array

Axis = int | tuple[int, ...] | None


def reduce_sum(x: Array, axis: Axis, keepdims: bool) -> Array:
    """The sum over the axes."""
    return np.asarray(x.sum(axis=axis, keepdims=keepdims))


def reduce_mean(x: Array, axis: Axis, keepdims: bool) -> Array:
    """The mean over the axes."""
    return np.asarray(x.mean(axis=axis, keepdims=keepdims))


def reduce_var(x: Array, axis: Axis, keepdims: bool) -> Array:
    """``mean((x - mean(x)) ** 2)`` over the axes."""
    return np.asarray(x.var(axis=axis, keepdims=keepdims))


def reduce_var_backward(dy: Array, x: Array, axis: Axis, keepdims: bool, n: float) -> Array:
    """``dx = dy * (x - mean(x)) * 2 / n``."""
    centred = x - x.mean(axis=axis, keepdims=True)
    return np.asarray(spread(dy, axis, keepdims, x.ndim) * centred * x.dtype.type(2 / (n or 1)))


def reduce_max(x: Array, axis: Axis, keepdims: bool) -> Array:
    """The maximum over the axes."""
    return np.asarray(x.max(axis=axis, keepdims=keepdims))


def reduce_min(x: Array, axis: Axis, keepdims: bool) -> Array:
    """The minimum over the axes."""
    return np.asarray(x.min(axis=axis, keepdims=keepdims))


def extreme_backward(dy: Array, x: Array, y: Array, axis: Axis, keepdims: bool) -> Array:
    """``dx = dy`` where x equals the extreme y over the axes; equal elements share it."""
    winners = x == spread(y, axis, keepdims, x.ndim)
    shares = winners / winners.sum(axis=axis, keepdims=True)
    return np.asarray(spread(dy, axis, keepdims, x.ndim) * shares.astype(dy.dtype))


def unbroadcast(x: Array, shape: tuple[int, ...]) -> Array:
    """The sum over the axes that broadcasting added or stretched."""
    added = x.ndim - len(shape)
    stretched = [i + added for i, n in enumerate(shape) if n == 1 and x.shape[i + added] != 1]
    return np.asarray(x.sum(axis=(*range(added), *stretched), keepdims=True).reshape(shape))


def spread(reduced: Array, axis: Axis, keepdims: bool, ndim: int) -> Array:
    """A view with the axes that a reduction removed, so that it broadcasts to the original shape."""
    if axis is None or ndim == 0:
        return reduced.reshape((1,) * ndim)
    if keepdims:
        return reduced
    axes = (axis,) if isinstance(axis, int) else axis
    return np.expand_dims(reduced, tuple(i % ndim for i in axes))
