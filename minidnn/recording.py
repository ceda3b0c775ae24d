"""The state of the tape: whether it records, its watchers, and the values that backward rules will read."""

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
"""Called with the result of each op, its parents, and the op's name."""


class Mode(threading.local):
    """The state of the tape in this thread.

    Attributes:
        recording: whether ops put their results on the tape.
        watchers: see `Watcher`; an immutable tuple, replaced as a whole.
        tracing: whether ops that return x unchanged, such as dropout in evaluation, are also recorded for the watchers.
    """

    recording = True
    watchers: tuple[Watcher, ...] = ()
    tracing = False


mode = Mode()


class no_grad(ContextDecorator):
    """Context manager and decorator: ops within record no graph, so they compute no gradient and keep no memory."""

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
    """A value that a backward rule will read, with its version and fingerprint at the time of recording."""

    tensor: Tensor
    array: Array
    version: int
    fingerprint: int

    @classmethod
    def of(cls, tensor: Tensor) -> Saved:
        return cls(tensor, tensor._data, tensor.version, kernels.fingerprint(tensor._data))

    def check(self, op: str | None) -> None:
        """Raises a RuntimeError if the value was changed in place after it was recorded."""
        if self.tensor.version != self.version or kernels.fingerprint(self.array) != self.fingerprint:
            raise RuntimeError(
                f"backward: op {op} needs a value of shape {self.array.shape} that was changed in place after it was "
                "recorded; call backward() before the change, or change a copy"
            )
