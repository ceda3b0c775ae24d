"""Functions that rearrange, select or join elements, computed by NumPy.

An index has two parts, because its arrays may be results of other kernels: its ``form``, in which `PLACE` stands for
an array, and the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn.reference.types import Array

PLACE = "an array"


def reshape(x: Array, shape: int | Sequence[int]) -> Array:
    """x in another shape; a view if possible."""
    return x.reshape(shape)


def getitem(x: Array, *places: Array, form: Any) -> Array:
    """``x[index]``; a view if the index is basic."""
    return np.asarray(x[with_places(form, places)])


def getitem_backward(dy: Array, *places: Array, form: Any, shape: tuple[int, ...], dtype: str) -> Array:
    """Zeros of the shape, with dy added at the index."""
    dx = np.zeros(shape, dtype)
    if places or _has_lists(form):
        np.add.at(dx, with_places(form, places), dy)  # an element may have been taken more than once
    else:
        dx[form] = dy
    return dx


def take_along_axis(x: Array, indices: Array, axis: int) -> Array:
    """``np.take_along_axis``."""
    return np.take_along_axis(x, indices, axis)


def take_along_axis_backward(dy: Array, indices: Array, axis: int, shape: tuple[int, ...], dtype: str) -> Array:
    """Zeros of the shape, with dy added at the indices along the axis."""
    dx = np.zeros(shape, dtype)
    along: list[Any] = list(np.indices(dy.shape, sparse=True))
    along = [0 if n == 1 else place for n, place in zip(shape, along, strict=True)]  # an axis that was broadcast
    along[axis] = np.broadcast_to(indices, dy.shape)
    np.add.at(dx, tuple(along), dy)
    return dx


def concatenate(*parts: Array, axis: int) -> Array:
    """The parts joined along an existing axis."""
    return np.concatenate(parts, axis=axis)


def stack(*parts: Array, axis: int) -> Array:
    """The parts joined along a new axis."""
    return np.stack(parts, axis=axis)


def pad(x: Array, widths: Sequence[Sequence[int]], value: float) -> Array:
    """x with a border of the value: (before, after) per axis."""
    return np.pad(x, widths, constant_values=value) if x.ndim else x.copy()


def stacked_matmul(a: Array, b: Array) -> Array:
    """``c = a @ b``, with NumPy's rules for vectors and for stacks of matrices."""
    return np.asarray(np.matmul(a, b))


def with_places(form: Any, places: Sequence[Array]) -> Any:
    """The index: the form with the arrays inserted."""
    if not isinstance(form, tuple):
        return places[0] if form is PLACE else form
    rest = iter(places)
    return tuple(next(rest) if part is PLACE else part for part in form)


def _has_lists(form: Any) -> bool:
    parts = form if isinstance(form, tuple) else (form,)
    basic = (int, np.integer, slice, type(None), type(Ellipsis))
    return not all(isinstance(part, basic) and not isinstance(part, bool) for part in parts)
