"""A recorded step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.array_access import CaptureError
from minidnn.handle import Handle
from minidnn.nn.outputs import Outputs
from minidnn.program.buffers import Buffer, Call, owner_of
from minidnn.program.recorder import Recorder, recording
from minidnn.program.show import as_text
from minidnn.recording import mode
from minidnn.reference.types import Array
from minidnn.reference.weights import NonFiniteGradient
from minidnn.tensor import Tensor, record

Step = Callable[..., Any]
Together = Callable[[list[Tensor]], Any]
"""Combines several results into what the step returns."""


class Program:
    """The kernel calls of a step on arguments of fixed shapes; ``print`` shows them.

    Attributes:
        name: the name of the step.
        calls: in order of execution.
        inputs: the buffers of the arguments, and of gradients that the step adds to.
        results: the buffers of what the step returns.
        nbytes: the size of inputs, results and temporaries in bytes.
    """

    def __init__(
        self, name: str, recorder: Recorder, returned: list[Tensor], many: Together | None, arguments: int
    ) -> None:
        self.name = name
        self.calls: list[Call] = recorder.calls
        self._core, self._watch, self._recording = recorder.core, recorder.watch, mode.recording
        self._arrays, self._arguments = tuple(recorder.inputs), arguments
        self.inputs = [_known(recorder, array) for array in recorder.inputs]
        self._returned, self._many = [(tensor, id(tensor) in recorder.leaves) for tensor in returned], many
        self.results = [_named(recorder, tensor._data, f"result{i or ''}") for i, tensor in enumerate(returned)]
        self._continued, self._begun = recorder.continued, recorder.begun
        self._rates = recorder.rates
        self._kept = recorder.memory  # keeps the memory alive that the calls point to
        self._leaves = [(tensor, tensor._grad) for tensor, _ in recorder.gradients.values()]
        for tensor, gradient in self._leaves:
            tensor._lent = gradient is not None
        self._before = recorder._before
        written = {id(owner) for owner, _ in recorder._before.values()}
        self._changed = [tensor for tensor in recorder.leaves.values() if id(owner_of(tensor._data)) in written]
        self.nbytes = self._core.nbytes() + sum(array.nbytes for array in self._arrays)

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return f"Program({self.name}, {len(self.calls)} calls)"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    @property
    def arguments(self) -> tuple[Array, ...]:
        """The arrays from which a replay reads its arguments. Data written there directly need not be copied."""
        return self._arrays[: self._arguments]

    def holds(self) -> bool:
        """Whether what the program depends on is unchanged since the recording. Updates the learning rates first."""
        self._prepare()
        return (
            mode.recording is self._recording
            and all([tensor._grad is not None for tensor in self._continued])  # noqa: C419 - a list is faster
            and not any([tensor._grad is not None for tensor in self._begun])  # noqa: C419 - a list is faster
            and self._watch.holds()
        )

    def run(self, arrays: tuple[Array, ...]) -> Any:
        """Replays the step and returns copies of its results.

        A replay that raises sets the gradients to None, because they may be incomplete. After `NonFiniteGradient` they
        are complete and are kept for inspection.
        """
        try:
            self._core.replay((*arrays, *[_whole(tensor._grad) for tensor in self._continued]))
        except NonFiniteGradient:
            self._leave()
            raise
        except BaseException:
            self._abandon()
            raise
        self._leave()
        return self.copies()

    def time(self, arrays: tuple[Array, ...]) -> list[float]:
        """Replays the step call by call; returns the seconds of each call."""
        self._prepare()
        seconds: list[float] = self._core.time((*arrays, *[_whole(tensor._grad) for tensor in self._continued]))
        self._leave()
        return seconds

    def state(self) -> Callable[[], None]:
        """Returns a function that restores all values that replays change."""
        owners = [owner for owner, _ in self._before.values()]
        before = [owner.copy() for owner in owners]
        gradients = [(tensor, None if tensor._grad is None else tensor._grad.copy()) for tensor, _ in self._leaves]

        def restore() -> None:
            for owner, value in zip(owners, before, strict=True):
                owner[...] = value
            for tensor, gradient in gradients:
                tensor._grad = gradient

        return restore

    def _prepare(self) -> None:
        for group, optimizer, later, memory in self._rates:
            memory[()] = group.rate(int(optimizer._steps) + later) if callable(group._lr) else group._lr

    def _leave(self) -> None:
        for tensor in self._changed:
            tensor.version += 1
        for tensor, gradient in self._leaves:
            tensor._grad = gradient
            tensor._lent = gradient is not None

    def _abandon(self) -> None:
        for tensor in self._changed:
            tensor.version += 1
        for tensor, _ in self._leaves:
            tensor._grad = None

    def copies(self) -> Any:
        """Copies of what the step returned in the latest run."""
        tensors = [tensor if is_leaf else _copy(tensor) for tensor, is_leaf in self._returned]
        if self._many is None:
            return tensors[0] if tensors else None
        return self._many(tensors)


def record_program(
    step: Step, arrays: tuple[Array, ...], prepare: Callable[[Recorder], None] = lambda recorder: None
) -> Program:
    """Runs the step once on the arrays and records it.

    Args:
        step: takes arrays, returns tensors (one, or a tuple or list of them) or None.
        arrays: its arguments.
        prepare: called with the recorder before the step runs, to name and watch what the step depends on.

    Raises:
        CaptureError: the step does something that a replay cannot repeat; all its changes are undone.
        Exception: any error of the step.
    """
    inputs = tuple(_aligned(array) for array in arrays)
    names = _argument_names(step, len(inputs))
    recorder = Recorder(inputs, names, _definition(step))
    try:
        recorder.watch.reached(getattr(step, "__name__", "the step"), step)
        prepare(recorder)
        handles = [Handle(array, name) for array, name in zip(inputs, names, strict=True)]
        returned = recording(recorder, lambda: step(*handles))
        tensors, many = _tensors(returned)
        recorder.finish()
        for tensor in tensors:
            if recorder.memory.find(tensor._data) is None:
                raise CaptureError(
                    f"capture: a result of shape {tensor.shape} was not computed by the step's kernels; return tensors "
                    "that ops computed"
                )
        return Program(getattr(step, "__name__", "step"), recorder, tensors, many, len(inputs))
    except CaptureError:
        recorder.undo()
        raise
    except Exception:
        if recorder.refused is not None:  # the step caught the CaptureError and raised another error
            recorder.undo()
            raise recorder.refused from None
        raise


def _tensors(returned: Any) -> tuple[list[Tensor], Together | None]:
    if returned is None:
        return [], None
    if isinstance(returned, Tensor):
        return [returned], None
    if type(returned) in (tuple, list) and all(isinstance(part, Tensor) for part in returned):
        return list(returned), type(returned)
    if isinstance(returned, Outputs) and all(isinstance(part, Tensor) for part in returned):
        return list(returned), partial(Outputs, returned.names)
    raise CaptureError(
        "capture: the step must return tensors (one, or a tuple or list of them) or None, got "
        f"{type(returned).__name__}"
    )


def _copy(tensor: Tensor) -> Tensor:
    copy = record(tensor._data.copy(), (), None, op="result")
    if tensor._grad is not None:
        copy._grad = tensor._grad.copy()
    return copy


def _aligned(array: Array) -> Array:
    if array.dtype == np.float32:
        aligned: Array = kernels.aligned_copy(array, place=0)
        return aligned
    return array.copy()


def _whole(gradient: Array | None) -> Array:
    assert gradient is not None
    return np.asarray(gradient, order="C")  # np.ascontiguousarray would add an axis to a scalar


def _known(recorder: Recorder, array: Array) -> Buffer:
    buffer = recorder.memory.find(array)
    assert buffer is not None
    return buffer


def _named(recorder: Recorder, array: Array, name: str) -> Buffer:
    """The buffer of a result; a temporary is renamed."""
    buffer = _known(recorder, array)
    if buffer.role == "temporary":
        buffer.role, buffer.name = "result", name
    return buffer


def _code(step: Step) -> Any:
    return getattr(getattr(step, "__func__", step), "__code__", None)


def _definition(step: Step) -> str:
    """Where the step is defined."""
    code = _code(step)
    return f"in the step at {code.co_filename}:{code.co_firstlineno}" if code is not None else "in the step"


def _argument_names(step: Step, count: int) -> tuple[str, ...]:
    code = _code(step)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    return tuple(names[i] if i < len(names) else f"input{i}" for i in range(count))
