"""Whether the tape records, and what it keeps of a value that a backward rule will read."""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from minidnn import kernels
from minidnn.reference.types import Array

if TYPE_CHECKING:
    from minidnn.tensor import Tensor


class Mode(threading.local):
    recording = True


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

    def changed(self) -> bool:
        return self.tensor.version != self.version or kernels.fingerprint(self.array) != self.fingerprint


def freed(dy: Array) -> tuple[Array | None, ...]:
    raise AssertionError("unreachable: backward refuses a freed graph before it calls any rule")
