"""Captured steps: a step recorded once as a program, then replayed in C++ without Python, with the same bytes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.doors import CaptureError
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
"""How many programs a captured step keeps, the most recently used ones."""


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

    Every replay leaves the bytes that the step itself would leave: in parameters, slots, running statistics, gradients
    and results. Learning rates follow their schedules, masks their generators. A batch of another shape is recorded
    anew; the example counts as the one step that it is. A step may end before the update: with gradients, or with
    outputs alone. Gradients that are there when it begins are added to.

    What is recorded are calls of kernels on memory, and this is sound by data flow: each array that a call reads is an
    argument of the step, a parameter, state (slots, counts, running statistics, tensors made before the step), or was
    written by an earlier call. Python runs once, so no number may reach it: ``float``, ``bool``, ``item``, ``numpy``,
    ``tensor.data`` and ``tensor.grad`` raise a CaptureError while the step is recorded, as do NumPy's functions on the
    arguments, and setting attributes of modules and optimizers. What the step's Python code reads (attributes of
    modules, options, closures, globals, and what lies behind them) is compared before each replay, and the step is
    recorded anew where it has changed.

    What cannot be seen is left to you: a random number of a generator in C, printing, appending to a list, reading a
    file, the clock, another thread, a test for the type of an argument (the step gets a `Handle` of each), and what
    lies in containers of more than 1,000 entries or behind more than six levels of objects. A replay does none of it.

    Args:
        step: takes arrays, returns tensors (one, or a tuple or list) or None. Each call returns new tensors with copies
            of the results.
        example: its arguments; floating arrays go in as float32, integers as int64.
        model: gives its tensors their names. Modules that are called within the step are found without.

    Raises:
        CaptureError: the step does what a replay could not do again; the message names it and the line. What the step
            has changed in tensors, slots, counts, gradients and generators is put back; what it has changed in Python
            objects is not. Also on the reference backend, which is Python.
    """
    captured = Captured(step, strict=True, model=model)
    captured(*example)
    return captured


class Captured:
    """A step that records itself once for each shape of its arguments; made by `capture`.

    Args:
        step: as for `capture`.
        strict: raise CaptureError for what cannot be captured; otherwise run it as it is, and say why in ``reasons``.
        model: as for `capture`.
        depends: returns what else the program depends on; compared before each replay.
        foreign: says in words what in the step must not be captured, or None; asked before the step is recorded. Once
            there is something, the step runs as Python from then on.

    Attributes:
        reasons: why some shapes are not captured.
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
        with self._lock:  # its programs have one memory
            return self._run(*inputs)

    def _run(self, *inputs: Any) -> Any:
        arrays = tuple([_as_input(value) for value in inputs])
        key = tuple([(array.shape, array.dtype) for array in arrays])
        if mode.watchers or self._runs_as_python or key in self._eager:
            return self.step(*arrays)  # somebody looks at every op, or it cannot be captured
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
        """Times each call of the program on a batch, over repeated replays; what they change is put back.

        Args:
            inputs: a batch, such as the step takes; the latest one where none is given.
            repeats: replays; the medians are reported.

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
