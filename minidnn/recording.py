"""Whether the tape records, and what it keeps of a value that a backward rule will read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from minidnn import kernels
from minidnn.reference.types import Array

if TYPE_CHECKING:
    from minidnn.tensor import Tensor


class Cells:
    """What a step that is being captured draws on, and a replay must ask for again.

    Attributes:
        generators: one for each draw.
        optimizers: one for each optimizer step, with the tracks that were updated, by group.
    """

    def __init__(self, plan: Any) -> None:
        self._plan = plan
        self.generators: list[Any] = []
        self.optimizers: list[tuple[Any, list[tuple[Any, list[Any]]]]] = []

    def drawn(self, generator: Any, key: tuple[int, int, int]) -> None:
        self.generators.append(generator)
        self._plan.announce(key)


class Mode(threading.local):
    recording = True
    cells: Cells | None = None


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


@contextmanager
def recording_cells(plan: Any) -> Iterator[Cells]:
    """Within, the kernel calls of this thread are recorded as the plan; RuntimeError where another one is."""
    plan.start()
    try:
        mode.cells = Cells(plan)
        yield mode.cells
    finally:
        plan.stop()
        mode.cells = None


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
