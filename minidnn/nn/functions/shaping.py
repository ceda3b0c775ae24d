"""Functions that rearrange, select or join elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class concatenate:
    """y = the values joined along an existing axis."""

    axis: int = -1

    def __call__(self, *xs: Tensor) -> Tensor:
        return ops.concatenate(xs, self.axis)


@dataclass(frozen=True)
class reshape:
    """y = x in another shape. A 0 keeps the size of that axis unless allow_zero; one -1 is computed from the rest."""

    shape: Sequence[int]
    allow_zero: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def __call__(self, x: Tensor) -> Tensor:
        keep = not self.allow_zero
        return ops.reshape(x, [x.shape[i] if n == 0 and keep else n for i, n in enumerate(self.shape)])


@dataclass(frozen=True)
class flatten:
    """y = x as a matrix: the axes before ``axis`` are its rows, the others its columns."""

    axis: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        return ops.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@dataclass(frozen=True)
class transpose:
    """y = x with its axes in another order; None reverses them."""

    order: Sequence[int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", None if self.order is None else tuple(self.order))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.transpose(x, self.order)


@dataclass(frozen=True)
class slices:
    """y = x sliced along axes with ``start:end:step``, as in Python."""

    starts: Sequence[int]
    ends: Sequence[int]
    axes: Sequence[int]
    steps: Sequence[int]

    def __post_init__(self) -> None:
        for name in ("starts", "ends", "axes", "steps"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def __call__(self, x: Tensor) -> Tensor:
        index = [slice(None)] * x.ndim
        for axis, *cut in zip(self.axes, self.starts, self.ends, self.steps, strict=True):
            index[axis] = slice(*cut)
        return ops.getitem(x, tuple(index))


@dataclass(frozen=True)
class squeeze:
    """y = x without these axes, which must have size 1."""

    axes: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(self.axes))

    def __call__(self, x: Tensor) -> Tensor:
        away = {axis % x.ndim for axis in self.axes}
        if any(x.shape[axis] != 1 for axis in away):
            raise ValueError(f"squeeze: x has shape {x.shape}, the axes {sorted(away)} must have size 1")
        return ops.reshape(x, [n for axis, n in enumerate(x.shape) if axis not in away])


@dataclass(frozen=True)
class unsqueeze:
    """y = x with new axes of size 1; ``axes`` counts them in y."""

    axes: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(self.axes))

    def __call__(self, x: Tensor) -> Tensor:
        ndim = x.ndim + len(self.axes)
        new = {axis % ndim for axis in self.axes}
        return ops.getitem(x, tuple(None if axis in new else slice(None) for axis in range(ndim)))


@dataclass(frozen=True)
class gather:
    """y = the entries of x at these indices along an axis. Indices are a setting or the second value."""

    axis: int = 0
    indices: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", _nested(self.indices))

    def __call__(self, x: Tensor, indices: Tensor | None = None) -> Tensor:
        places = np.array(self.indices, np.int64) if indices is None else indices
        axis = self.axis % x.ndim
        return ops.getitem(x, (slice(None),) * axis + (places,) if axis else places)


@dataclass(frozen=True)
class gather_elements:
    """y[i, j] = x[i, indices[i, j]] for axis 1, and so on for other axes. Indices are a setting or the second value."""

    axis: int = 0
    indices: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", _nested(self.indices))

    def __call__(self, x: Tensor, indices: Tensor | None = None) -> Tensor:
        places = np.array(self.indices, np.int64) if indices is None else indices
        axis = self.axis % x.ndim
        if any(n != m for i, (n, m) in enumerate(zip(x.shape, places.shape, strict=True)) if i != axis):
            raise ValueError(
                f"gather_elements: indices have shape {places.shape}, must equal {x.shape} except on axis {axis}"
            )
        return ops.gather(x, places, axis)


@dataclass(frozen=True)
class pad:
    """y = x with a border of a constant: (before, after) per axis."""

    widths: Sequence[Sequence[int]]
    value: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", _nested(self.widths))

    def __call__(self, x: Tensor) -> Tensor:
        return ops.pad(x, self.widths, self.value)


def _nested(part: Any) -> Any:
    """Converts nested lists, as a file holds them, to tuples."""
    return tuple(_nested(item) for item in part) if isinstance(part, (list, tuple)) else part
