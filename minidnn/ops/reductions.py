"""Sums, means and extremes over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.reference.reductions import Axis, spread
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record


def _count(x: Array, y: Array) -> float:
    return x.size / (y.size or 1)


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the sum over the axes, all of them by default."""
    x = as_tensor(x)
    shape = x._data.shape
    return record(
        kernels.reduce_sum(x._data, axis, keepdims),
        (x,),
        lambda dy: (np.broadcast_to(spread(dy, axis, keepdims, len(shape)), shape),),
        op="sum",
        axis=axis,
        keepdims=keepdims,
    )


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the mean over the axes, all of them by default."""
    x = as_tensor(x)
    value, shape = x._data, x._data.shape
    if axis is None and not keepdims and value.size and value.dtype.char in "fd" and value.flags.c_contiguous:
        return record(
            kernels.mean(value),
            (x,),
            lambda dy: (kernels.mean_backward(dy, value),),
            op="mean",
            axis=None,
            keepdims=False,
        )
    y = kernels.reduce_mean(value, axis, keepdims)
    n = _count(value, y)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (np.broadcast_to(spread(kernels.divide(dy, n), axis, keepdims, len(shape)), shape),)

    return record(y, (x,), backward, op="mean", axis=axis, keepdims=keepdims)


def var(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = mean((x - mean(x)) ** 2) over the axes (divided by n, as NumPy does)."""
    x = as_tensor(x)
    value = x._data
    y = kernels.reduce_var(value, axis, keepdims)
    n = _count(value, y)
    return record(
        y,
        (x,),
        lambda dy: (kernels.reduce_var_backward(dy, value, axis, keepdims, n),),
        reads=(x,),
        op="var",
        axis=axis,
        keepdims=keepdims,
    )


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the maximum over the axes, all of them by default; equal elements share the gradient."""
    return _extreme(kernels.reduce_max, as_tensor(x), axis, keepdims, "max")


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = the minimum over the axes, all of them by default; equal elements share the gradient."""
    return _extreme(kernels.reduce_min, as_tensor(x), axis, keepdims, "min")


def _extreme(kernel: Any, x: Tensor, axis: Axis, keepdims: bool, op: str) -> Tensor:
    value = x._data
    y = kernel(value, axis, keepdims)
    return record(
        y,
        (x,),
        lambda dy: (kernels.extreme_backward(dy, value, y, axis, keepdims),),
        reads=(x,),
        op=op,
        axis=axis,
        keepdims=keepdims,
    )
