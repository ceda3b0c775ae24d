"""The same numbers in another arrangement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn.recording import replayable
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """y = the elements of x in row-major order, in another shape."""
    x = as_tensor(x)
    before = x.data.shape
    y = replayable(lambda value: value.reshape(shape), x.data)
    return record(_view(y, x), (x,), lambda dy: (replayable(lambda dy: dy.reshape(before), dy),))


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """y = x with its axes permuted, reversed by default."""
    x = as_tensor(x)
    y = x.data.transpose(axes)
    inverse = None if axes is None else np.argsort([axis % x.data.ndim for axis in axes])
    return record(_view(y, x), (x,), lambda dy: (dy.transpose(inverse),))


def getitem(x: Tensor, index: Any) -> Tensor:
    """y = x[index], with NumPy's basic and advanced indexing."""
    x = as_tensor(x)
    if isinstance(index, tuple):
        index = tuple(_plain_index(i) for i in index)
    else:
        index = _plain_index(index)
    shape, dtype, basic = x.data.shape, x.data.dtype, _is_basic(index)
    form, places = _without_arrays(index)

    def put(dy: Array, *places: Array) -> Array:
        dx = np.zeros(shape, dtype)
        if basic:
            dx[_with_arrays(form, places)] = dy
        else:
            np.add.at(dx, _with_arrays(form, places), dy)  # an element may have been taken more than once
        return dx

    y = replayable(lambda value, *places: value[_with_arrays(form, places)], x.data, *places)
    return record(_view(y, x), (x,), lambda dy: (replayable(put, dy, *places),))


def gather(x: Tensor, indices: Any, axis: int) -> Tensor:
    """y = np.take_along_axis(x, indices, axis)."""
    x = as_tensor(x)
    places = np.asarray(_plain_index(indices))
    if places.dtype.kind not in "iu":
        raise TypeError(f"gather: indices must be integers, got an array of {places.dtype}")
    shape, dtype = x.data.shape, x.data.dtype

    def put(dy: Array, places: Array) -> Array:
        dx = np.zeros(shape, dtype)
        along: list[Array] = list(np.indices(places.shape, sparse=True))
        along[axis] = places
        np.add.at(dx, tuple(along), dy)
        return dx

    y = replayable(lambda value, places: np.take_along_axis(value, places, axis), x.data, places)
    return record(y, (x,), lambda dy: (replayable(put, dy, places),))


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """y = the tensors one behind the other along an axis."""
    parents = tuple(as_tensor(t) for t in tensors)
    y = replayable(lambda *parts: np.concatenate(parts, axis=axis), *(t.data for t in parents))
    cuts = np.cumsum([t.data.shape[axis] for t in parents])[:-1].tolist()
    return record(y, parents, lambda dy: tuple(np.split(dy, cuts, axis=axis)))


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """y = the tensors side by side along a new axis."""
    parents = tuple(as_tensor(t) for t in tensors)
    y = replayable(lambda *parts: np.stack(parts, axis=axis), *(t.data for t in parents))
    return record(y, parents, lambda dy: tuple(np.moveaxis(dy, axis, 0)))


def pad(x: Tensor, widths: Any, value: float = 0.0) -> Tensor:
    """y = x with a border of a constant; widths as for np.pad: ((before, after), ...) for each axis."""
    x = as_tensor(x)
    around = np.broadcast_to(np.asarray(widths), (x.data.ndim, 2)).tolist()
    y = replayable(lambda inner: np.pad(inner, around, constant_values=value), x.data)
    inside = tuple(slice(b, b + n) for (b, _), n in zip(around, x.data.shape, strict=True))
    return record(y, (x,), lambda dy: (dy[inside],))


def _view(y: Array, x: Tensor) -> Array:
    """An array object of its own, which record may make read-only without touching the parent's."""
    return y.view() if y is x.data else y


class _Place:
    """Stands for an array in an index."""


def _without_arrays(index: Any) -> tuple[Any, list[Array]]:
    """The index with its arrays taken out, and these."""
    parts = index if isinstance(index, tuple) else (index,)
    places = [part for part in parts if isinstance(part, np.ndarray)]
    form = tuple(_Place if isinstance(part, np.ndarray) else part for part in parts)
    return form if isinstance(index, tuple) else form[0], places


def _with_arrays(form: Any, places: Sequence[Array]) -> Any:
    if not isinstance(form, tuple):
        return places[0] if form is _Place else form
    rest = iter(places)
    return tuple(next(rest) if part is _Place else part for part in form)


def _plain_index(index: Any) -> Any:
    return index.data if isinstance(index, Tensor) else index


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    basic = (int, np.integer, slice, type(None), type(Ellipsis))
    return all(isinstance(part, basic) and not isinstance(part, bool) for part in parts)
