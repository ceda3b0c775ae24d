"""The arguments of a step that is being recorded."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from minidnn.array_access import refuse
from minidnn.reference.types import Array


class Handle:
    """An argument of a step that is being recorded: it has a shape and a dtype, but its numbers cannot be read.

    ``Tensor(handle)`` makes a tensor of it, losses take it as targets, and basic indexing and reshaping return handles
    of its parts. Any other operation of an array would compute in Python and raises `CaptureError`.
    """

    __slots__ = ("_array", "_name")
    __hash__ = object.__hash__

    def __init__(self, array: Array, name: str) -> None:
        self._array, self._name = array, name

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    @property
    def T(self) -> Handle:
        return Handle(self._array.T, f"{self._name}.T")

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        return f"Handle({self._name}, shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, index: Any) -> Handle:
        parts = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(part, (int, np.integer, slice, type(None), type(Ellipsis))) for part in parts):
            self._refuse("[...] with an array as index")
        part = self._array[index]
        return Handle(part if isinstance(part, np.ndarray) else self._array[(*parts, ...)], f"{self._name}[...]")

    def reshape(self, *shape: Any) -> Handle:
        """Returns a handle of the same numbers in another shape. `CaptureError` if that needs a copy."""
        part = self._array.reshape(*shape)
        if part.base is None:
            self._refuse(".reshape() of a strided part")
        return Handle(part, f"{self._name}.reshape(...)")

    def _refuse(self, what: str) -> NoReturn:
        refuse(
            f"{self._name}{what}, computed with NumPy,", f"make it a tensor, minidnn.Tensor({self._name}), and use ops"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._refuse(f".{name}")


def _refusing(name: str) -> Any:
    def method(self: Handle, *others: Any, **__: Any) -> Any:
        if len(others) == 1 and hasattr(others[0], "_data"):
            return NotImplemented  # Python then calls the tensor's operator, which accepts a handle
        return self._refuse(f".{name}")

    return method


_METHODS = (
    "array",
    "array_ufunc",
    "array_function",
    "bool",
    "float",
    "int",
    "index",
    "complex",
    "iter",
    "contains",
    "dlpack",
    "setitem",
    "format",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "neg",
    "pos",
    "abs",
    "invert",
)
_OPERATORS = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
)
for _name in [*_METHODS, *(side + name for name in _OPERATORS for side in ("", "r", "i"))]:
    setattr(Handle, f"__{_name}__", _refusing(f"__{_name}__"))


def as_array(value: Any) -> Any:
    """Returns the array of a Tensor or Handle, for ops of the package; any other value unchanged."""
    if isinstance(value, Handle):
        return value._array
    return getattr(value, "_data", value)


def numbers(data: Any) -> Array:
    """Returns the array of a new tensor: an ndarray itself, the array of a Handle; floats in lists become float32.

    Raises:
        TypeError: data is a Tensor, or not numbers.
    """
    if hasattr(data, "_data"):
        raise TypeError(
            "Tensor: data is a Tensor, must be an array or numbers; use data.detach() for a tensor off the tape"
        )
    if isinstance(data, Handle):
        data = as_array(data)
    if isinstance(data, np.ndarray):
        array = data
    else:
        array = np.asarray(data)
        if array.dtype == np.float64 and not isinstance(data, np.floating):
            array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor: data must be numbers, got an array of {array.dtype}")
    return array
