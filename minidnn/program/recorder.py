"""Records the kernel calls of a step, and raises `CaptureError` for what a replay cannot repeat.

Each array that a call reads must be an argument of the step, a parameter, state, or the result of an earlier call.
Numbers that change from step to step are read from memory: learning rates, counts, random counters.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from minidnn import kernels
from minidnn.array_access import CaptureError, is_ours, users_line
from minidnn.handle import Handle, as_array
from minidnn.program.buffers import Buffer, Call, Memory, Role, owner_of
from minidnn.program.watch import Watch, numpy_state
from minidnn.recording import mode
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

_UNBOUNDED = {"divide", "sqrt_backward", "power_backward", "power_exponent_backward"}
"""Kernels that can return infinite gradients for finite numbers (the derivative of log is a division)."""


class Unknown(NamedTuple):
    """An array that a call read and that was not known at that time."""

    call: Call
    place: int
    argument: str
    array: Array
    line: str


class Rate(NamedTuple):
    """Memory that holds a group's learning rate at the given step of a replay."""

    group: Any
    optimizer: Any
    later: int
    memory: Array


class Recorder:
    """Records one step while it runs.

    Attributes:
        calls: in order of execution.
        inputs: the arrays from which a replay reads its arguments, then the gradients that it adds to.
        gradients: each leaf whose gradient the step reads, changes or drops, with its gradient before the step.
        continued, begun: leaves whose gradient the step uses without dropping it first; with, and without, one before.
        refused: the latest CaptureError, kept because the step may catch it.
    """

    def __init__(self, inputs: tuple[Array, ...], names: tuple[str, ...], where: str) -> None:
        self._where = where
        self.core = kernels.new_program()
        self.calls: list[Call] = []
        self.memory = Memory()
        self.watch = Watch()
        self.inputs: list[Array] = []
        self.leaves: dict[int, Tensor] = {}
        self.gradients: dict[int, tuple[Tensor, Array | None]] = {}
        self.continued: list[Tensor] = []
        self.begun: list[Tensor] = []
        self.rates: list[Rate] = []
        self.optimizers: list[Any] = []
        self.names: dict[int, str] = {}
        self.refused: CaptureError | None = None
        self._born: set[int] = set()
        self._unknown: list[Unknown] = []
        self._temporaries = 0
        self._raised: str | None = None
        self._owned: list[tuple[Buffer, Tensor, str]] = []  # buffers that are named after a tensor
        self._before: dict[int, tuple[Array, Array]] = {}  # the memory that the step changes, with a copy from before
        self._draws = _drawn()
        for array, name in zip(inputs, names, strict=True):
            self._input(array, name, "input")

    # Called by `minidnn.kernels`

    def call(
        self, truth: Callable[..., Any], compiled: Callable[..., Any] | None, given: Any, settings: dict[str, Any]
    ) -> Any:
        """Calls a kernel, or its reference if compiled is None, and records the call."""
        args = tuple(as_array(a) if isinstance(a, Handle) else a for a in given)
        settings = {name: as_array(a) if isinstance(a, Handle) else a for name, a in settings.items()}
        call = Call(truth.__name__, [], [], {}, compiled is not None)
        names, changed = _signature(truth)
        for place, value in enumerate(args):
            name = names[min(place, len(names) - 1)]
            self._note(call, name, value, name in changed)
        for name, value in settings.items():
            self._note(call, name, value, name in changed)
        try:
            size = len(self.core)
            if compiled is not None:
                result = self.core.record(compiled, args, settings)
            else:
                result = kernels.run_reference(truth, args, settings)
        except Exception:
            self._raised = f"{truth.__name__}, at {users_line()}"
            raise
        if compiled is not None and len(self.core) != size + 1:
            raise CaptureError(
                f"capture: {truth.__name__} cannot be replayed, at {users_line()}; run the step without capture"
            )
        new = [array for array in _arrays(result) if self.memory.find(array) is None]
        if compiled is None and (new or result is None):
            self.core.compute(_again(truth, args, settings, result))
        elif compiled is None:
            return result  # a view of known memory needs no call
        for array in new:
            self._temporaries += 1
            call.writes.append(self.memory.add(array, f"t{self._temporaries}", "temporary", keep=compiled is None))
        call.flops = _flops(call, args)
        call.nbytes += sum(array.nbytes for array in new)
        self.calls.append(call)
        return result

    def known(self, array: Array, name: str, of: Tensor | None = None) -> None:
        """Declares memory that is kept beyond the step; ``of`` is the tensor that it is named after."""
        if self.memory.find(array) is None:
            buffer = self.memory.add(array, name, "state")
            if of is not None:
                self._owned.append((buffer, of, f".{name}"))

    def setting(self, array: Array) -> None:
        """Declares a constant array of the user, such as an index."""
        if self.memory.find(array) is None:
            self.memory.add(array, "index", "constant")

    # Called by tensors

    def born(self, tensor: Tensor) -> None:
        """A leaf was created within the step."""
        self._born.add(id(tensor))

    def seen(self, result: Tensor, parents: tuple[Tensor, ...], op: str) -> None:
        """The watcher of the tape: an op computed a result from its parents."""
        self._born.add(id(result))
        for parent in parents:
            self.leaf(parent)

    def leaf(self, tensor: Tensor) -> None:
        """Declares a tensor that existed before the step, a parameter or other state."""
        if id(tensor) in self._born or id(tensor) in self.leaves:
            return
        self.leaves[id(tensor)] = tensor
        if self.memory.find(tensor._data) is None:
            role: Role = "parameter" if tensor.requires_grad else "state"
            buffer = self.memory.add(tensor._data, role, role)
            self.names.setdefault(id(tensor), f"{role}{len(self.leaves)}")
            self._owned.append((buffer, tensor, ""))
        self.watch.tensor(tensor)

    def gradient(self, tensor: Tensor) -> Array | None:
        """The gradient of a leaf. If it had one before the step, that is an input of each replay."""
        if id(tensor) in self._born or id(tensor) in self.gradients:
            return tensor._grad
        self.leaf(tensor)
        self.gradients[id(tensor)] = tensor, tensor._grad
        if tensor._grad is not None:
            before = tensor._grad
            tensor._grad = kernels.aligned_copy(np.asarray(before, order="C"), place=0)
            self._owned.append((self._input(tensor._grad, "grad", "gradient"), tensor, ".grad"))
            self.continued.append(tensor)
        else:
            self.begun.append(tensor)
        return tensor._grad

    def forget_gradient(self, tensor: Tensor) -> None:
        """The step sets the gradient of a leaf to None."""
        if id(tensor) not in self._born:
            self.leaf(tensor)
            self.gradients.setdefault(id(tensor), (tensor, tensor._grad))

    # Called by modules, optimizers and generators

    def module(self, module: Any) -> None:
        """The step calls a module: names its parameters and buffers, and watches its attributes."""
        for name, tensor in module.tensors().items():
            self.names[id(tensor)] = name
        self.watch.module(module)
        for tensor in module.tensors().values():
            self.leaf(tensor)

    def assigned(self, owner: Any, name: str, value: Any) -> None:
        """Raises a CaptureError if the step changes an attribute."""
        before = getattr(owner, name, self)
        if before is value or (isinstance(value, (bool, int, float, str)) and before == value):
            return
        what = getattr(owner, "label", type(owner).__name__)
        self.refused = CaptureError(
            f"capture: {what}.{name} is set within the step, which a replay would not do, at {users_line()}; keep such "
            "a value in a tensor that kernels change, or run the step without capture"
        )
        raise self.refused

    def generator(self, generator: Any) -> None:
        """The step draws from a random generator."""
        if not is_ours(type(generator).__module__):
            self.refused = CaptureError(
                f"capture: {type(generator).__name__}, a generator of yours, draws in Python, which a replay would not "
                f"do, at {users_line()}; use a minidnn.Generator, or run the step without capture"
            )
            raise self.refused
        self.known(generator._draw, "draws")
        self.watch.value("a generator's seed", lambda: (generator.seed, generator.stream))

    def rate(self, group: Any, optimizer: Any) -> Array:
        """Returns memory for the learning rate of a group in this step."""
        later = sum(stepped is optimizer for stepped in self.optimizers)
        memory = np.array(float(group.rate(int(optimizer._steps))))
        self.rates.append(Rate(group, optimizer, later, memory))
        self.known(memory, "lr")
        return memory

    def optimizer(self, optimizer: Any, active: list[tuple[Any, list[Any]]]) -> None:
        """The step calls an optimizer's step."""
        self.optimizers.append(optimizer)
        self.known(optimizer._steps, "steps")
        for _, tracks in active:
            for track in tracks:
                self.known(track._updates, "updates", of=track.param)

    def shown(self, optimizer: Any, track: Any, gradient: Any, lr: Any) -> tuple[Any, Any]:
        """The gradient and the rate that `Optimizer.update` gets: handles if the method is the user's own."""
        for name, slot in track._slots.items():
            self.known(slot, name, of=track.param)
        if is_ours(getattr(optimizer.update, "__module__", None)):
            return gradient, lr
        return Handle(gradient, "grad"), Handle(lr, "lr")

    def may_overflow(self) -> bool:
        """Whether the step has an op whose derivative can be infinite, so that gradients must be checked."""
        return any(call.kernel in _UNBOUNDED for call in self.calls)

    # Called at the end

    def finish(self) -> None:
        """Resolves names, and raises a CaptureError for anything that a replay cannot repeat."""
        if self.refused is not None:
            raise self.refused
        if self._raised is not None:
            raise CaptureError(
                f"capture: the step continues after an error of {self._raised}, which a replay cannot do; check "
                "before the step, or run the step without capture"
            )
        for unknown in self._unknown:
            buffer = self.memory.find(unknown.array)
            if buffer is None:
                raise CaptureError(
                    f"capture: {unknown.call.kernel} reads an array of shape {unknown.array.shape} as "
                    f"{unknown.argument!r} that is neither an argument of the step, a parameter, state nor the result "
                    f"of an earlier call, at {unknown.line}; make it a Tensor before the step, or pass it to the step"
                )
            unknown.call.reads.insert(unknown.place, buffer)
        if changed := list(self.watch.changes()):
            raise CaptureError(
                f"capture: the step changes {changed[0]}, which a replay would not do, {self._where}; keep it in a "
                "tensor that kernels change, or run the step without capture"
            )
        shared = _drawn()
        if drawn := [*self.watch.draws(), *(name for name, state in self._draws.items() if state != shared[name])]:
            raise CaptureError(
                f"capture: the step draws random numbers from {drawn[0]}, which a replay would not do, {self._where}; "
                "draw with minidnn's ops and layers, or run the step without capture"
            )
        for optimizer in self.optimizers:
            self._watch_optimizer(optimizer)
        self.watch.renew()
        for tensor, _ in self.gradients.values():
            final = None if tensor._grad is None else self.memory.find(tensor._grad)
            if final is not None and final.role == "temporary":
                final.role = "result"
                self._owned.append((final, tensor, ".grad"))
        for buffer, tensor, suffix in self._owned:
            buffer.name = self.names.get(id(tensor), buffer.name) + suffix

    def undo(self) -> None:
        """Undoes all changes of the step."""
        for array, before in self._before.values():
            _writable(array)[...] = before
        for tensor, gradient in self.gradients.values():
            tensor._grad = gradient

    def _watch_optimizer(self, optimizer: Any) -> None:
        self.watch.optimizer(optimizer)
        for group in optimizer.groups:
            self.watch.value("the options of an optimizer", partial(_options, group))
            if not is_ours(type(optimizer).__module__):
                self.watch.value("the rate of an optimizer", partial(getattr, group, "_lr"))
            for track in group.tracks:
                self.watch.state("what an optimizer keeps beside a parameter", track)
                self.watch.reached("a constraint", track.constraint)

    def _input(self, array: Array, name: str, role: Role) -> Buffer:
        self.inputs.append(array)
        self.core.add_input(array)
        return self.memory.add(array, name, role)

    def _note(self, call: Call, argument: str, value: Any, changes: bool) -> None:
        if not isinstance(value, np.ndarray):
            call.settings[argument] = value
            return
        call.nbytes += value.nbytes * (1 + changes)
        if changes:
            self._remember(value)
        buffer = self.memory.find(value)
        if buffer is None:
            self._unknown.append(Unknown(call, len(call.reads), argument, value, users_line()))
            return
        if value.ndim == 0 and argument in _scalars(call.kernel):
            call.settings[argument] = buffer
        else:
            call.reads.append(buffer)
        if changes:
            call.writes.append(buffer)

    def _remember(self, array: Array) -> None:
        """Copies memory that a call will change, if it existed before the step."""
        owner = owner_of(array)
        buffer = self.memory.find(array)
        if id(owner) not in self._before and (buffer is None or buffer.role in ("parameter", "state")):
            self._before[id(owner)] = owner, owner.copy()


def recording(recorder: Recorder, step: Callable[[], Any]) -> Any:
    """Runs the step under the recorder."""
    watchers = mode.watchers
    mode.watchers = (*watchers, recorder.seen)
    try:
        with kernels.recording(recorder):
            return step()
    finally:
        mode.watchers = watchers


@cache
def _signature(truth: Callable[..., Any]) -> tuple[list[str], set[str]]:
    """The names of a kernel's arguments, and the names of those that it changes in place."""
    parameters = inspect.signature(truth).parameters.values()
    return [p.name for p in parameters], {p.name for p in parameters if p.annotation in ("Changed", "Counter")}


@cache
def _scalars(kernel: str) -> frozenset[str]:
    """The names of a kernel's arguments that are numbers, including those read from memory."""
    parameters = inspect.signature(getattr(kernels, kernel)).parameters.values()
    return frozenset(p.name for p in parameters if p.annotation in ("float", "int", "Real"))


def _flops(call: Call, args: Any) -> int:
    """The floating-point operations of a matrix product; 0 for other kernels."""
    if call.kernel in ("matmul", "dense"):
        return 2 * args[0].shape[0] * args[0].shape[1] * args[1].shape[1]
    if call.kernel == "dense_backward":
        products = call.settings["need_dx"] + call.settings["need_dw"]
        return products * 2 * args[1].shape[0] * args[1].shape[1] * args[2].shape[1]
    return 0


def _options(group: Any) -> tuple[Any, Any]:
    return group.tracks, group.options


def _again(truth: Callable[..., Any], args: Any, settings: dict[str, Any], result: Any) -> Callable[[], None]:
    """Returns a function that computes the result of a reference again, into the same arrays."""
    places = [array.view() for array in _arrays(result)]  # the tape makes the arrays themselves read-only

    def compute() -> None:
        for place, value in zip(places, _arrays(kernels.run_reference(truth, args, settings)), strict=True):
            place[...] = value

    return compute


def _arrays(result: Any) -> list[Array]:
    parts = result if isinstance(result, tuple) else (result,)
    return [part for part in parts if isinstance(part, np.ndarray)]


def _writable(array: Array) -> Array:
    if not array.flags.writeable:
        array = array.view()
        array.flags.writeable = True
    return array


def _drawn() -> dict[str, Any]:
    """The states of the global random generators of NumPy and Python."""
    return {"numpy.random": numpy_state(np.random), "random": random.getstate()}
