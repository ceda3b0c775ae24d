"""Whether the tape records, who watches it, and what it keeps of a value that a backward rule will read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from minidnn import kernels
from minidnn.reference.types import Array

if TYPE_CHECKING:
    from minidnn.tensor import Tensor

Watcher = Callable[["Tensor", tuple["Tensor", ...], str], None]
"""Called with the result of each op, the tensors that it was computed from, and the op's name."""


class Mode(threading.local):
    """Of this thread.

    Attributes:
        recording: whether ops put their results on the tape.
        watchers: see `Watcher`; replaced, never changed.
        tracing: whether ops that leave x as it is, such as dropout in evaluation, are to be seen all the same.
    """

    recording = True
    watchers: tuple[Watcher, ...] = ()
    tracing = False


mode = Mode()


class no_grad(ContextDecorator):
    """Within it nothing is recorded: no graph, no gradient, no memory held. A context manager and a decorator."""

    def __enter__(self) -> None:
        self._before = mode.recording
        mode.recording = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mode.recording = self._before

    def _recreate_cm(self) -> no_grad:
        return no_grad()


class Saved(NamedTuple):
    """A value that a backward rule will read, and what it looked like when it was recorded."""

    tensor: Tensor
    array: Array
    version: int
    fingerprint: int

    @classmethod
    def of(cls, tensor: Tensor) -> Saved:
        return cls(tensor, tensor._data, tensor.version, kernels.fingerprint(tensor._data))

    def check(self, op: str | None) -> None:
        """Raises a RuntimeError where the value was changed in place since."""
        if self.tensor.version != self.version or kernels.fingerprint(self.array) != self.fingerprint:
            raise RuntimeError(
                f"backward: op {op} needs a value of shape {self.array.shape} that was changed in place after it was "
                "recorded"
            )
