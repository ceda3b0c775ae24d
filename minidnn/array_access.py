"""The methods of a tensor that return its numbers to Python; they raise `CaptureError` while a step is recorded.

The Python code of a captured step runs once. A number that Python reads then would be a constant in every replay.
Therefore `Tensor.data`, `Tensor.grad` and all methods that read them raise, and the step's arguments are `Handle`
objects.
"""

from __future__ import annotations

import linecache
import sys
from typing import Any, NoReturn

import numpy as np

from minidnn import kernels
from minidnn.reference.types import Array

PACKAGE = __name__.partition(".")[0]


class CaptureError(RuntimeError):
    """A step does something that a replay cannot repeat; the message names the operation and the line."""


def is_ours(module: str | None) -> bool:
    """Whether the module belongs to this package; its lessons and notebooks count as user code."""
    parts = (module or "").split(".")
    return parts[0] == PACKAGE and parts[1:2] not in (["lessons"], ["notebook"])


def users_line() -> str:
    """The innermost running line outside of the package: ``file:line: text``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
    path, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, line).strip()
    return f"{path}:{line}" + (f": {text}" if text else "")


def refuse(operation: str, remedy: str = "compute with ops on tensors, or return the tensor from the step") -> NoReturn:
    """Raises a CaptureError: ``operation`` uses a number that changes from step to step."""
    error = CaptureError(
        f"capture: {operation} uses a number of one step, which a replay cannot repeat, at {users_line()}; "
        f"{remedy}, or run the step without capture"
    )
    recorder = kernels.recorder()
    if recorder is not None:
        recorder.refused = error
    raise error


def refuse_while_recording(operation: str) -> None:
    """Raises a CaptureError for ``operation`` if a step is being recorded in this thread."""
    if kernels.recorder() is not None:
        refuse(operation)


class ArrayAccess:
    """The part of `minidnn.Tensor` that returns its numbers to Python."""

    __slots__ = ("_data", "_grad", "_lent")
    _data: Array
    _grad: Array | None
    _lent: bool  # whether _grad is memory of a program; may be unset

    @property
    def data(self) -> Array:
        if kernels.recorder() is not None:
            refuse(_operation())
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        if kernels.recorder() is not None:
            refuse("setting Tensor.data")
        self._data = array

    @property
    def grad(self) -> Array | None:
        if kernels.recorder() is not None:
            refuse("Tensor.grad", "return the tensor itself from the step; the result has its grad")
        if getattr(self, "_lent", False) and self._grad is not None:  # the next replay overwrites this memory
            self._grad, self._lent = self._grad.copy(), False
        return self._grad

    @grad.setter
    def grad(self, gradient: Array | None) -> None:
        recorder = kernels.recorder()
        if recorder is not None:
            if gradient is not None:
                refuse("setting Tensor.grad to an array")
            recorder.forget_gradient(self)
        self._grad = gradient

    def item(self) -> Any:
        """Returns the single element as a Python number; `ValueError` if there is not exactly one."""
        if self._data.size != 1:
            raise ValueError(
                f"item: the tensor has shape {self._data.shape}, must have one element; use numpy() for an array"
            )
        return self.data.item()

    def numpy(self) -> Array:
        """Returns ``data``, not copied; read-only if the tensor is a recorded result."""
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if kernels.recorder() is not None:
            refuse("a copy or pickle of a tensor")
        return super().__reduce_ex__(protocol)

    def __dlpack__(self, **options: Any) -> Any:
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()


def _operation() -> str:
    """The name of the method of `ArrayAccess` that reads the data, or ``data`` itself."""
    names = []
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        names.append(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return f"Tensor.{names[-1] if names else 'data'}"
