"""Whether the tape records, and what it keeps of a value that a backward rule will read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidnn import kernels
from minidnn.reference.types import Array

if TYPE_CHECKING:
    from minidnn.tensor import Tensor


class Cells:
    """What a step that is being captured draws on, and a replay must ask for again.

    Attributes:
        generators: one for each draw.
        optimizers: one for each optimizer step, with the tracks that were updated, by group.
        constants: whether the Python numbers that tensors are added to, multiplied by, ... stay what they are.
    """

    def __init__(self, plan: Any, constants: bool) -> None:
        self._plan = plan
        self.constants = constants
        self.generators: list[Any] = []
        self.optimizers: list[tuple[Any, list[tuple[Any, list[Any]]]]] = []

    def drawn(self, generator: Any, key: tuple[int, int, int]) -> None:
        self.generators.append(generator)
        self._plan.announce(key)

    def computed(self, compute: Callable[..., Any], arrays: tuple[Array, ...], y: Array | None) -> None:
        closed_over = [cell.cell_contents for cell in getattr(compute, "__closure__", None) or ()]
        if any(isinstance(value, np.ndarray) for value in closed_over):
            raise AssertionError(f"{compute.__qualname__} closes over an array; the plan must know all that it reads")
        self._plan.compute(compute, arrays, None if y is None else y.view())  # the tape makes y itself read-only


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
def recording_cells(plan: Any, constants: bool) -> Iterator[Cells]:
    """Within, the kernel calls of this thread are recorded as the plan; RuntimeError where another one is."""
    plan.start()
    try:
        mode.cells = Cells(plan, constants)
        yield mode.cells
    finally:
        plan.stop()
        mode.cells = None


def replayable(compute: Callable[..., Any], *arrays: Array) -> Array:
    """``compute(*arrays)``, which NumPy does: now, and in every replay of the step that is being captured.

    It reads no other array, and gives a new one, or a view of one of these.
    """
    y = np.asarray(compute(*arrays))
    if mode.cells is not None and not any(np.may_share_memory(y, array) for array in arrays):
        mode.cells.computed(compute, arrays, y)
    return y


def checked(check: Callable[..., None], *arrays: Array) -> None:
    """``check(*arrays)``, which raises what it finds: now, and in every replay."""
    check(*arrays)
    if mode.cells is not None:
        mode.cells.computed(check, arrays, None)


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
