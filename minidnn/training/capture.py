"""Captured steps: a step is recorded once as a program, then replayed in C++ with the same bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.array_access import CaptureError
from minidnn.handle import as_array
from minidnn.nn import Module
from minidnn.program import Program, record_program
from minidnn.program.profiling import Profile, profile
from minidnn.program.recorder import Recorder
from minidnn.recording import mode
from minidnn.reference.types import Array

Step = Callable[..., Any]
Key = tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]

FLOAT, INTEGER = np.dtype(np.float32), np.dtype(np.int64)
PLANS = 8
"""Number of programs that a captured step keeps: the most recently used."""


def capture(step: Step, *example: Any, model: Module | None = None) -> Captured:
    """Runs a training step once on the example and records it; then replays it on other batches.

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
        print(captured)  # the program

    Every replay leaves the same bytes as the step itself: in parameters, slots, running statistics, gradients and
    results. Learning rates follow their schedules; dropout masks follow their generators. The run on the example is
    one training step. A batch of another shape is recorded again. A step may end before the update, with gradients or
    with outputs alone. Gradients that exist when it begins are added to.

    A program is a list of kernel calls on memory. Each array that a call reads is an argument of the step, a parameter,
    state (slots, counts, running statistics, tensors made before the step), or was written by an earlier call. Python
    runs only while the step is recorded, so its code must not depend on a computed value: ``float``, ``bool``,
    ``item``, ``numpy``, ``tensor.data`` and ``tensor.grad`` raise a CaptureError, as do NumPy functions on the
    arguments and setting attributes of modules and optimizers. What the step's Python code reads (attributes of
    modules, options, closures, globals, and the objects that they refer to) is compared before each replay; after a
    change the step is recorded again.

    Some effects cannot be detected, and a replay does not repeat them: a random number from a generator in C, printing,
    appending to a list, reading a file or the clock, another thread, a test for the type of an argument (the step gets
    a `Handle` of each), and values in containers of more than 1,000 entries or below more than six levels of objects.

    Args:
        step: takes arrays, returns tensors (one, or a tuple or list) or None. Each call returns new tensors with copies
            of the results.
        example: its arguments; floating arrays are converted to float32, integers to int64.
        model: names the tensors in the printed program. Modules that the step calls are found without it.

    Raises:
        CaptureError: the step does something that a replay cannot repeat; the message names it and the line. Changes to
            tensors, slots, counts, gradients and generators are undone; changes to Python objects are not. Also raised
            on the reference backend, which has no compiled kernels.
    """
    captured = Captured(step, strict=True, model=model)
    captured(*example)
    return captured


class Captured:
    """A step that records itself once for each shape of its arguments; made by `capture`.

    Args:
        step: as for `capture`.
        strict: raise CaptureError if the step cannot be captured; otherwise run it as Python and append to ``reasons``.
        model: as for `capture`.
        depends: returns what else the program depends on; compared before each replay.
        foreign: returns why the step must not be captured, or None; called before each recording. After the first
            reason the step always runs as Python.

    Attributes:
        reasons: why the step, or some shapes of its arguments, are not captured.
    """

    def __init__(
        self,
        step: Step,
        strict: bool = False,
        model: Module | None = None,
        depends: Callable[[], Any] | None = None,
        foreign: Callable[[], str | None] | None = None,
    ) -> None:
        self.step, self.strict, self.model, self.depends, self.foreign = step, strict, model, depends, foreign
        self.reasons: list[str] = []
        self._programs: list[tuple[Key, Program]] = []  # the most recently used first
        self._eager: set[Key] = set()
        self._runs_as_python = False
        self._lock = threading.RLock()

    def __call__(self, *inputs: Any) -> Any:
        with self._lock:  # calls share the memory of a program
            return self._run(*inputs)

    def _run(self, *inputs: Any) -> Any:
        arrays = tuple([_as_input(value) for value in inputs])
        key = tuple([(array.shape, array.dtype) for array in arrays])
        if mode.watchers or self._runs_as_python or key in self._eager:
            return self.step(*arrays)  # a watcher needs every op, or the step cannot be captured
        if kernels.backend() == "reference":
            if self.strict:
                raise CaptureError("capture: only compiled kernels can be captured, this is the reference backend")
            return self.step(*arrays)
        program = self._find(key)
        return self._record(key, arrays) if program is None else program.run(arrays)

    @property
    def program(self) -> Program:
        """The program that ran last.

        Raises:
            CaptureError: none was recorded.
        """
        if not self._programs:
            raise CaptureError(f"capture: no program was recorded{': ' + self.reasons[-1] if self.reasons else ''}")
        return self._programs[0][1]

    @property
    def calls(self) -> list[Any]:
        """The calls of the program that ran last."""
        return self.program.calls

    def __str__(self) -> str:
        return str(self.program) if self._programs else f"{type(self).__name__} of {self.step!r}, nothing recorded yet"

    def profile(self, *inputs: Any, repeats: int = 50) -> Profile:
        """Times each call of the program on a batch over repeated replays, and undoes what they change.

        Args:
            inputs: a batch, as for the step; the latest one if none is given.
            repeats: number of replays; the medians are reported.

        Returns:
            A `Profile`: print it, or draw it with ``profile.draw(path)``.

        Raises:
            CaptureError: the step cannot be captured on these inputs.
        """
        arrays = tuple(_as_input(value) for value in inputs)
        if arrays and self._find(tuple((array.shape, array.dtype) for array in arrays)) is None:
            self(*inputs)
        return profile(self.program, arrays or self.program.arguments, repeats)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draws the program that ran last as a graph of its calls.

        Raises:
            CaptureError: none was recorded.
            ImportError: matplotlib is missing; it comes with the extra ``plot``.
        """
        from minidnn.program.pictures import draw_program

        draw_program(self.program, path)

    def _find(self, key: Key) -> Program | None:
        for place, (shapes, program) in enumerate(self._programs):
            if shapes == key and program.holds():
                if place:
                    self._programs.insert(0, self._programs.pop(place))
                return program
        return None

    def _record(self, key: Key, arrays: tuple[Array, ...]) -> Any:
        if self.foreign is not None and (reason := self.foreign()) is not None:
            self._runs_as_python = True
            self.reasons.append(reason)
            return self.step(*arrays)
        try:
            program = record_program(self.step, arrays, self._prepare)
        except CaptureError as error:
            if self.strict:
                raise
            self._eager.add(key)
            self.reasons.append(str(error))
            return self.step(*arrays)
        self._programs = [(key, program), *self._programs[: PLANS - 1]]
        return program.copies()

    def _prepare(self, recorder: Recorder) -> None:
        if self.model is not None:
            recorder.module(self.model)
        if self.depends is not None:
            recorder.watch.value("what the step depends on", self.depends)


def _as_input(value: Any) -> Array:
    array = value if type(value) is np.ndarray else np.asarray(as_array(value))
    dtype = FLOAT if array.dtype.kind == "f" else INTEGER
    plain = array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
    return array if plain else np.array(array, dtype, order="C")
