"""The array interface of a tensor: shape, operators and methods. Each operator and method calls the op of its name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn import kernels
from minidnn.array_access import ArrayAccess

if TYPE_CHECKING:
    from minidnn.tensor import Tensor


class _Later:
    """A placeholder that imports the module of the ops when the first operator is used."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.module), name)  # the import calls `use`


_ops: Any = None


def use(ops: Any) -> None:
    """Sets the module of the ops; `minidnn.ops` calls it when it is imported."""
    global _ops
    _ops = ops


def use_when_needed(module: str) -> None:
    """Sets the name of the module of the ops, which the first operator imports. `minidnn` calls it when imported."""
    use(_Later(module))


class Operators(ArrayAccess):
    """The base class of `Tensor` that defines its operators and methods."""

    __slots__ = ("op", "requires_grad")
    op: str | None
    requires_grad: bool
    __array_priority__ = 1000  # ndarray + Tensor calls Tensor.__radd__

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    def __repr__(self) -> str:
        parts = [f"shape={self.shape}", f"dtype={self.dtype}"]
        if self.size <= 8 and kernels.recorder() is None:
            parts.insert(0, np.array2string(self._data, precision=4, separator=", ").replace("\n", ""))
        if self.op:
            parts.append(f"op={self.op}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: the tensor has no axes; use its size")
        return int(self._data.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __add__(self, other: Any) -> Tensor:
        return _ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _ops.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _ops.divide(other, self)

    def __pow__(self, exponent: Any) -> Tensor:
        return _ops.power(self, exponent)

    def __rpow__(self, base: Any) -> Tensor:
        return _ops.power(base, self)

    def __neg__(self) -> Tensor:
        return _ops.negative(self)

    def __abs__(self) -> Tensor:
        return _ops.abs(self)

    def __matmul__(self, other: Any) -> Tensor:
        return _ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _ops.matmul(other, self)

    def __getitem__(self, index: Any) -> Tensor:
        return _ops.getitem(self, index)

    def __lt__(self, other: Any) -> Tensor:
        return _ops.compare("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return _ops.compare("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _ops.compare("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _ops.compare("greater_equal", self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return _ops.compare("equal", self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return _ops.compare("not_equal", self, other)

    __hash__ = object.__hash__

    @property
    def T(self) -> Tensor:
        return _ops.transpose(self)

    def transpose(self, *axes: int) -> Tensor:
        return _ops.transpose(self, axes or None)

    def reshape(self, *shape: int) -> Tensor:
        return _ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return _ops.sum(self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return _ops.mean(self, axis, keepdims)

    def var(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return _ops.var(self, axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return _ops.max(self, axis, keepdims)

    def min(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return _ops.min(self, axis, keepdims)

    def exp(self) -> Tensor:
        return _ops.exp(self)

    def log(self) -> Tensor:
        return _ops.log(self)

    def sqrt(self) -> Tensor:
        return _ops.sqrt(self)

    def abs(self) -> Tensor:
        return _ops.abs(self)

    def clip(self, low: float | None, high: float | None) -> Tensor:
        return _ops.clip(self, low, high)
