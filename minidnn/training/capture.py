"""Captured steps: a training step recorded once, then replayed in C++ without Python, with the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.nn import Module
from minidnn.recording import Cells, recording_cells
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, watchers

Step = Callable[..., Any]
Key = tuple[tuple[tuple[int, ...], str], ...]


class CaptureError(RuntimeError):
    """A step does something that a replay could not do again."""


def capture(step: Step, *example: Any, model: Module | None = None) -> Captured:
    """Records a training step, as which it is run on the example; then replays it on other batches.

    ::

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.softmax_cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        captured = training.capture(step, *next(iter(data.batches(mnist.train, 50))))
        for x, y in data.batches(mnist.train, 50):
            loss = captured(x, y)

    Every replay leaves the bytes that the step itself would leave: in parameters, slots, gradients and results.
    Learning rates follow their schedules, masks their generators. A batch of another shape is recorded anew.

    What is recorded are the calls of kernels, and those of NumPy that `minidnn.ops` makes where it has no kernel;
    nothing else. What the step does besides (printing, counting, deciding, NumPy of its own) happens while recording
    only, and it is run once more then, to prove that a replay does the same. Results are the same tensors at each call,
    with new data; a captured step belongs to one thread at a time.

    A step is recorded anew when parameters were replaced, frozen or thawed, an optimizer's groups or options were
    changed, or, if the model is given, an attribute of it was set (a dropout rate, the mode, a frozen layer). Other
    things that it depends on must stay, such as a number by which it multiplies the loss.

    Args:
        step: takes arrays, returns tensors (one, or a tuple) or None.
        example: its arguments; floating arrays go in as float32, integers as int64.
        model: what the step trains.

    Raises:
        CaptureError: the step computes with NumPy what a kernel then reads, its results do not come from kernels, or it
            runs on the reference backend; the message says what.
    """
    captured = Captured(step, strict=True, model=model)
    captured(*example)
    return captured


class Captured:
    """A step that records itself once for each shape of its arguments; made by `capture`.

    Args:
        step: as for `capture`.
        strict: raise CaptureError for what cannot be captured; otherwise run it as it is, and say why in ``reasons``.
        constants: whether Python numbers in the step's arithmetic stay the same; if not, a step that uses them
            cannot be captured.

    Attributes:
        reasons: why some shapes are not captured.
    """

    def __init__(self, step: Step, strict: bool = False, model: Module | None = None, constants: bool = True) -> None:
        self.step, self.strict, self.model, self.constants = step, strict, model, constants
        self.reasons: list[str] = []
        self._plans: dict[Key, _Plan | None] = {}

    def __call__(self, *inputs: Any) -> Any:
        arrays = tuple(_as_input(value) for value in inputs)
        key = tuple((array.shape, array.dtype.str) for array in arrays)
        plan = self._plans.get(key)
        if watchers or (key in self._plans and plan is None):
            return self.step(*arrays)  # somebody looks at every op, or it cannot be captured
        if kernels.backend() == "reference":
            if self.strict:
                raise CaptureError("capture: only compiled kernels can be captured, this is the reference backend")
            return self.step(*arrays)
        if plan is not None and plan.is_current(self.model):
            return plan.replay(arrays)
        return self._record(key, arrays)

    def _record(self, key: Key, arrays: tuple[Array, ...]) -> Any:
        plan = _Plan(self.step, arrays, self.model, self.constants)
        fault = plan.fault()
        self._plans[key] = None if fault else plan
        if fault:
            self.reasons.append(fault)
            if self.strict:
                raise CaptureError(f"capture: {fault}")
        return plan.results


class _Plan:
    """One recording: the kernel calls of a step on arrays of these shapes, which is thereby done once."""

    def __init__(self, step: Step, arrays: tuple[Array, ...], model: Module | None, constants: bool) -> None:
        self._step = step
        self._changes, self._attributes = Module.changes, attributes_of(model)
        self._inputs = tuple(kernels.aligned_copy(array, place=0) for array in arrays)
        self._core = kernels.new_plan(self._inputs)
        with recording_cells(self._core, constants) as cells:
            self.results = step(*self._inputs)
        self._cells: Cells = cells
        self._tracks = [track for _, groups in cells.optimizers for _, tracks in groups for track in tracks]
        self._params = [(track.param, track.param.data, track.param.grad) for track in self._tracks]
        self._groups = [(group, dict(group.options)) for _, groups in cells.optimizers for group, _ in groups]
        self._trained = self._requirements()

    def is_current(self, model: Module | None) -> bool:
        """Whether all that the recording depends on is as it was."""
        if self._changes != Module.changes:
            if attributes_of(model) != self._attributes:
                return False
            self._changes = Module.changes
        return (
            all(param.data is data for param, data, _ in self._params)
            and all(group.options == options for group, options in self._groups)
            and self._requirements() == self._trained
        )

    def _requirements(self) -> list[bool]:
        """Which of the optimizers' parameters require a gradient."""
        return [track.param.requires_grad for optimizer, _ in self._cells.optimizers for track in optimizer.tracks()]

    def replay(self, arrays: tuple[Array, ...]) -> Any:
        rates = []
        for optimizer, groups in self._cells.optimizers:
            for group, tracks in groups:
                rates += [group.rate(optimizer.steps)] * len(tracks)
        steps = [track.updates + 1.0 for track in self._tracks]
        self._core.replay(arrays, rates, steps, [generator.next_key() for generator in self._cells.generators])
        for optimizer, _ in self._cells.optimizers:
            optimizer.steps += 1
        for track, (param, _, grad) in zip(self._tracks, self._params, strict=True):
            track.updates += 1
            param.version += 1
            param.grad = grad
        return self.results

    def fault(self) -> str | None:
        """Why a replay would not do what the step does, or None."""
        results = _tensors(self.results)
        if results is None:
            return "the step must return tensors (one, or a tuple of them) or None"
        if self._core.updates != len(self._tracks):
            return f"{self._core.updates} updates were recorded, of which optimizers know {len(self._tracks)}"
        for result in results:
            if not self._core.owns(result.data):
                return f"a result of shape {result.shape} was not computed by a kernel"
        if temporaries := self._core.temporaries():
            shapes = ", ".join(str(array.shape) for array in temporaries)
            return f"kernels read arrays that were computed with NumPy, of shapes {shapes}"
        return self._prove()

    def _prove(self) -> str | None:
        """Runs another batch both ways from one state, compares, and puts the state back."""
        first_batch = tuple(array.copy() for array in self._inputs)
        batch = tuple(np.roll(array, 1, axis=0) if array.ndim else array for array in first_batch)
        before, first = self._state(), [result.data.copy() for result in _tensors(self.results) or ()]
        try:
            try:
                self.replay(batch)
            except ValueError:  # inputs that must not be rolled, such as offsets
                self._restore(before)
                batch = first_batch
                self.replay(batch)
            replayed = self._outcome(self.results)
            self._restore(before)
            eager = self._outcome(self._step(*batch))
        finally:
            self._restore(before)
            for result, data in zip(_tensors(self.results) or (), first, strict=True):
                self._core.overwrite(result.data, data)
        if replayed != eager:
            return "a replay leaves other numbers than the step: it does something that is not a kernel call"
        return None

    def _outcome(self, results: Any) -> list[bytes]:
        return [tensor.data.tobytes() for tensor in _tensors(results) or ()] + [
            array.tobytes() for array in self._core.written()
        ]

    def _state(self) -> Any:
        cells = self._cells
        return (
            [array.copy() for array in self._core.written()],
            [(param.grad, None if param.grad is None else param.grad.copy()) for param, _, _ in self._params],
            [optimizer.steps for optimizer, _ in cells.optimizers],
            [track.updates for track in self._tracks],
            [generator.get_state() for generator in cells.generators],
        )

    def _restore(self, state: Any) -> None:
        arrays, grads, steps, updates, keys = state
        for array, value in zip(self._core.written(), arrays, strict=True):
            self._core.overwrite(array, value)
        for (param, _, _), (grad, value) in zip(self._params, grads, strict=True):
            param.grad = grad
            if grad is not None:
                grad[...] = value
        for (optimizer, _), count in zip(self._cells.optimizers, steps, strict=True):
            optimizer.steps = count
        for track, count in zip(self._tracks, updates, strict=True):
            track.updates = count
        for generator, key in zip(self._cells.generators, keys, strict=True):
            generator.set_state(key)


def attributes_of(model: Module | None) -> list[tuple[str, str, Any]]:
    """What a forward pass may depend on: plain values as they are, other objects and tensors' arrays by identity."""
    if model is None:
        return []
    plain = (bool, int, float, str, type(None))
    return [
        (path, name, value if isinstance(value, plain) else id(value.data if isinstance(value, Tensor) else value))
        for path, module in model.named_modules()
        for name, value in {"training": module.training, **vars(module)}.items()
        if name != "activity_penalties"
    ]


def _tensors(results: Any) -> list[Tensor] | None:
    if results is None:
        return []
    found = list(results) if isinstance(results, (tuple, list)) else [results]
    return found if all(isinstance(value, Tensor) for value in found) else None


def _as_input(value: Any) -> Array:
    array = np.asarray(value.data if isinstance(value, Tensor) else value)
    return np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.int64)
