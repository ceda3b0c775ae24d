"""Ops that rearrange, select or join elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.handle import Handle, as_array
from minidnn.reference.shaping import PLACE
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """y = the elements of x in row-major order, in another shape."""
    x = as_tensor(x)
    before = x._data.shape
    y = kernels.reshape(x._data, shape)
    return record(_view(y, x), (x,), lambda dy: (kernels.reshape(dy, before),), op="reshape", shape=y.shape)


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """y = x with its axes permuted, reversed by default."""
    x = as_tensor(x)
    y = x._data.transpose(axes)
    inverse = None if axes is None else np.argsort([axis % x.ndim for axis in axes])
    return record(_view(y, x), (x,), lambda dy: (dy.transpose(inverse),), op="transpose", axes=axes)


def getitem(x: Tensor, index: Any) -> Tensor:
    """y = x[index], with NumPy's basic and advanced indexing."""
    x = as_tensor(x)
    form, places = _split(index)
    shape, dtype = x._data.shape, x.dtype.str
    y = kernels.getitem(x._data, *places, form=form)
    return record(
        _view(y, x),
        (x,),
        lambda dy: (kernels.getitem_backward(dy, *places, form=form, shape=shape, dtype=dtype),),
        op="getitem",
        index=index,
    )


def gather(x: Tensor, indices: Any, axis: int) -> Tensor:
    """y = np.take_along_axis(x, indices, axis).

    Raises:
        TypeError: the indices are not integers.
    """
    x = as_tensor(x)
    places = _index_array(indices)
    if places.dtype.kind not in "iu":
        raise TypeError(f"gather: indices must be integers, got an array of {places.dtype}")
    shape, dtype = x._data.shape, x.dtype.str
    return record(
        kernels.take_along_axis(x._data, places, axis),
        (x,),
        lambda dy: (kernels.take_along_axis_backward(dy, places, axis, shape, dtype),),
        op="gather",
        indices=indices,
        axis=axis,
    )


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """y = the tensors joined along an existing axis."""
    parents = tuple(as_tensor(t) for t in tensors)
    y = kernels.concatenate(*(t._data for t in parents), axis=axis)
    cuts = np.cumsum([t._data.shape[axis] for t in parents])[:-1].tolist()
    return record(y, parents, lambda dy: tuple(np.split(dy, cuts, axis=axis)), op="concatenate", axis=axis)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """y = the tensors joined along a new axis."""
    parents = tuple(as_tensor(t) for t in tensors)
    y = kernels.stack(*(t._data for t in parents), axis=axis)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        first = np.moveaxis(dy, axis, 0)
        return tuple(first[i, ...] for i in range(len(parents)))

    return record(y, parents, backward, op="stack", axis=axis)


def pad(x: Tensor, widths: Any, value: float = 0.0) -> Tensor:
    """y = x with a border of a constant; widths as for np.pad: (before, after) per axis."""
    x = as_tensor(x)
    around = np.broadcast_to(np.asarray(widths), (x.ndim, 2)).tolist() if x.ndim else []
    inside: Any = (*(slice(b, b + n) for (b, _), n in zip(around, x._data.shape, strict=True)), ...)
    y = kernels.pad(x._data, around, value)
    return record(y, (x,), lambda dy: (dy[inside],), op="pad", widths=around, value=value)


def _view(y: Array, x: Tensor) -> Array:
    """A separate array object, which `record` can make read-only without changing the parent."""
    return y.view() if y is x._data else y


def _split(index: Any) -> tuple[Any, list[Array]]:
    """Splits an index into its form, with `PLACE` instead of each array, and the arrays."""
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [_index_array(part) if isinstance(part, (Tensor, Handle, np.ndarray, list)) else part for part in parts]
    places = [part for part in parts if isinstance(part, np.ndarray)]
    form = tuple(PLACE if isinstance(part, np.ndarray) else part for part in parts)
    return form if isinstance(index, tuple) else form[0], places


def _index_array(indices: Any) -> Array:
    """The indices as an array. In a captured step an array of the user is a constant setting, like a number."""
    array = np.asarray(as_array(indices))
    if not isinstance(indices, (Tensor, Handle)) and (recorder := kernels.recorder()) is not None:
        recorder.setting(array)
    return array
