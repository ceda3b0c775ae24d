"""Base class of the optimizers: parameters in groups, slots for each parameter, one fused update per step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.array_access import refuse_while_recording
from minidnn.checks import number
from minidnn.leaves import gradient_of, held
from minidnn.nn.constraints import restore
from minidnn.nn.parameter import Parameter
from minidnn.optim.groups import Group, Rate, Track
from minidnn.reference.types import Array
from minidnn.reference.weights import NonFiniteGradient
from minidnn.tensor import Tensor

Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """Updates parameters by their gradients, then applies their constraints.

    A subclass names its slots and options, and defines ``update``. If `couples_decay` is set, the option
    ``weight_decay`` adds ``weight_decay * param`` to the gradient before the update, as in PyTorch. A frozen parameter
    keeps its place but has no slots; once it is unfrozen, it starts like a new one.

    Args:
        params: parameters, or other leaf tensors that require gradients; or groups: mappings
            ``{"params": tensors, ...}`` whose other entries ("lr" or an option) override those given here.
        lr: the learning rate; a number >= 0 or a schedule ``step -> lr``.
        slots: state arrays per parameter, name -> initial value.
        options: the other hyperparameters, name -> value.

    Raises:
        TypeError: params are neither parameters nor leaves that require a gradient.
        ValueError: no parameters, a duplicate, a rate that is negative or not finite, an unknown option.
    """

    couples_decay = False

    def __init__(self, params: Params, lr: Rate, slots: Mapping[str, float], options: Mapping[str, Any]) -> None:
        self._steps = np.zeros((), np.uint64)
        self.groups: list[Group] = []
        self._slots = dict(slots)
        self._defaults = {"lr": lr, **options}
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(f"{self._kind}: params is empty")
        groups = entries if isinstance(entries[0], Mapping) else [{"params": entries}]
        for group in groups:
            self.add_group(**group)

    def __setattr__(self, name: str, value: Any) -> None:
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.assigned(self, name, value)
        object.__setattr__(self, name, value)

    @property
    def steps(self) -> int:
        """The number of steps so far, the argument of schedules."""
        refuse_while_recording("Optimizer.steps")
        return int(self._steps)

    @steps.setter
    def steps(self, count: int) -> None:
        refuse_while_recording("setting Optimizer.steps")
        self._steps[...] = count

    @property
    def _kind(self) -> str:
        return type(self).__name__

    def add_group(self, params: Iterable[Tensor], **replaced: Any) -> None:
        """Adds parameters, such as those of a new layer, as a group with its own options.

        Raises:
            TypeError, ValueError: as the constructor.
        """
        params = [params] if isinstance(params, Tensor) else list(params)
        if unknown := replaced.keys() - self._defaults.keys():
            raise ValueError(
                f"{self._kind}: unknown option {sorted(unknown)[0]!r}, must be one of {', '.join(self._defaults)}"
            )
        known = {id(track.param) for track in self.tracks()}
        for i, param in enumerate(params):
            if not isinstance(param, Parameter) and not _is_trained_leaf(param):
                raise TypeError(
                    f"{self._kind}: params[{i}] must be a leaf Tensor that requires a gradient, got {param!r}"
                )
            if id(param) in known:
                raise ValueError(f"{self._kind}: params[{i}], of shape {param.shape}, is given twice")
            known.add(id(param))
        options = self._defaults | replaced
        rate = options.pop("lr")
        if not callable(rate):
            rate = number(self._kind, "lr", rate)
        if self.couples_decay:
            number(self._kind, "weight_decay", options["weight_decay"])
        self.check(**options)
        tracks = [
            Track(
                param,
                self._new_slots(param) if param.requires_grad else {},
                param.constraint if isinstance(param, Parameter) else None,
            )
            for param in params
        ]
        self.groups.append(Group(tracks, rate, options))

    def _new_slots(self, param: Tensor) -> dict[str, Array]:
        shapes = self.slot_shapes(param)
        return {
            name: kernels.aligned_copy(np.full(shape, self._slots[name], param._data.dtype), place)
            for place, (name, shape) in enumerate(shapes.items(), start=1)
        }

    def slot_shapes(self, param: Tensor) -> dict[str, tuple[int, ...]]:
        """The shape of each slot of a parameter; by default the parameter's shape."""
        return dict.fromkeys(self._slots, param.shape)

    def check(self, **options: Any) -> None:
        """Refuses options out of range, with a ValueError."""

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        """Updates one parameter and its slots in place; ``track.updates`` includes this update."""
        raise TypeError(f"{self._kind}: an Optimizer must define update(self, track, grad, lr, options)")

    def tracks(self) -> Sequence[Track]:
        """All parameters with their slots, in order."""
        return [track for group in self.groups for track in group.tracks]

    @property
    def lr(self) -> float:
        """The learning rate of the first group in the next step; setting it sets all groups."""
        return self.groups[0].rate(self.steps)

    @lr.setter
    def lr(self, rate: Rate) -> None:
        for group in self.groups:
            group.lr = rate if callable(rate) else number(self._kind, "lr", rate)

    def __repr__(self) -> str:
        count = len(self.tracks())
        groups = f", {len(self.groups)} groups" if len(self.groups) > 1 else ""
        shown = {"lr": self.groups[0].lr, **self.groups[0].options}
        options = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{self._kind}({options}; {count} parameter{'s' * (count != 1)}{groups})"

    def rates(self) -> list[float]:
        """The learning rate of each group in the next step.

        Raises:
            TypeError, ValueError: a schedule does not return a finite number >= 0.
        """
        step = int(self._steps)
        return [group.rate(step) for group in self.groups]

    def zero_grad(self) -> None:
        """Removes the gradients of all parameters, and the slots of frozen ones."""
        recorder = kernels.recorder()
        for group in self.groups:
            for track in group.tracks:
                if recorder is not None:
                    recorder.forget_gradient(track.param)
                track.param._grad = None
                if not track.param.requires_grad and track._slots:
                    track._slots = {}
                    track._updates[...] = 0

    def step(self) -> None:
        """Updates every parameter that has a gradient, and counts the step, which advances schedules.

        In a captured step, gradients are checked only if an op has an unbounded derivative.

        Raises:
            TypeError, ValueError: a schedule does not return a finite number >= 0; nothing is changed.
            FloatingPointError: a gradient has values that are NaN or infinite; names the parameter; nothing is changed.
        """
        recorder = kernels.recorder()
        step = int(self._steps)
        active = [(group, [t for t in group.tracks if gradient_of(t.param) is not None]) for group in self.groups]
        rates = [group.rate(step) if recorder is None else recorder.rate(group, self) for group in self.groups]
        if recorder is None or recorder.may_overflow():
            self._check(active)
        if recorder is not None:
            recorder.optimizer(self, active)
        kernels.count(self._steps, *[track._updates for _, tracks in active for track in tracks])
        for (group, tracks), lr in zip(active, rates, strict=True):
            for track in tracks:
                self._update(track, lr, group.options)

    def _check(self, active: Sequence[tuple[Group, Sequence[Track]]]) -> None:
        """Refuses gradients that are not finite, before anything is changed."""
        gradients = [(track.param, gradient_of(track.param)) for _, tracks in active for track in tracks]
        try:
            kernels.check_gradients(*[_size(gradient) for _, gradient in gradients if gradient is not None])
        except NonFiniteGradient:
            if kernels.recorder() is None:
                raise NonFiniteGradient(f"{self._kind}.step: {self._fault(gradients)}") from None
            raise

    def _fault(self, gradients: Iterable[tuple[Tensor, Array | None]]) -> str:
        """The error text for the first gradient that is not finite."""
        places = {id(track.param): place for place, track in enumerate(self.tracks())}
        for param, gradient in gradients:
            if gradient is not None and (wrong := np.size(gradient) - np.count_nonzero(np.isfinite(gradient))):
                of = f"params[{places[id(param)]}], of shape {param.shape},"
                return (
                    f"the gradient of {of} has {wrong} of {np.size(gradient)} values that are not finite, nothing was "
                    "updated; try a smaller learning rate, or training.nan_guard, which names the op"
                )
        return "the squares of the gradients overflow, nothing was updated; try a smaller learning rate"

    def _update(self, track: Track, lr: Any, options: Mapping[str, Any]) -> None:
        """Updates one parameter: makes missing slots, calls `update`, applies the constraint."""
        if not track._slots:
            track._slots = self._new_slots(track.param)
        grad = gradient_of(track.param)
        if grad is not None and not grad.flags.c_contiguous:
            grad = kernels.copy(grad)
        if self.couples_decay:
            grad, options = _decayed(track.param, grad, options)
        recorder = kernels.recorder()
        if recorder is not None:
            grad, lr = recorder.shown(self, track, grad, lr)
        self.update(track, grad, lr, options)  # type: ignore[arg-type]
        track.param.version += 1
        if track.constraint is not None:
            restore(track.param, track.constraint)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state without the parameters and the schedules (which are functions).

        The key of a slot is ``place.name``; place is the index of the parameter over all groups. Slots are copied. A
        frozen parameter has none.
        """
        refuse_while_recording("Optimizer.state_dict")
        state: dict[str, Any] = {"steps": self.steps}
        for place, track in enumerate(self.tracks()):
            state[f"{place}.updates"] = track.updates
            state |= {f"{place}.{name}": slot.copy() for name, slot in track._slots.items()}
        for place, group in enumerate(self.groups):
            if not callable(group.lr):
                state[f"lr.{place}"] = group.lr
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads a `state_dict` of an optimizer with the same parameters; after an error nothing is changed.

        Raises:
            ValueError: a key is missing or unexpected, a slot has another shape, a count or a rate is invalid.
        """
        shapes = self._shapes(state)
        faults = [f"missing {key}" for key in shapes if key not in state]
        faults += [f"unexpected {key}" for key in state if key not in shapes]
        faults += [
            f"{key} has shape {np.shape(state[key])}, must have {shape}"
            for key, shape in shapes.items()
            if key in state and np.shape(state[key]) != shape
        ]
        faults += [f"{key} must be {_kind_of(key)}" for key in shapes if key in state and not _is_kind(key, state[key])]
        if faults:
            raise ValueError(f"{self._kind}.load_state_dict: {'; '.join(faults)}")
        self.steps = int(state["steps"])
        for place, track in enumerate(self.tracks()):
            track.updates = int(state[f"{place}.updates"])
            if f"{place}.{next(iter(self.slot_shapes(track.param)), None)}" not in state:
                track._slots = {}
                continue
            track._slots = track._slots or self._new_slots(track.param)
            for name, slot in track._slots.items():
                slot[...] = state[f"{place}.{name}"]
        for place, group in enumerate(self.groups):
            if not callable(group.lr):
                group.lr = float(state[f"lr.{place}"])

    def _shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """The keys and shapes that `load_state_dict` expects; slots only if the parameter was ever updated."""
        shapes: dict[str, tuple[int, ...]] = {"steps": ()}
        for place, track in enumerate(self.tracks()):
            shapes[f"{place}.updates"] = ()
            slots = {f"{place}.{name}": shape for name, shape in self.slot_shapes(track.param).items()}
            if state.get(f"{place}.updates") != 0 or slots.keys() & state.keys():
                shapes |= slots
        return shapes | {f"lr.{place}": () for place, group in enumerate(self.groups) if not callable(group.lr)}


_ONE = np.ones((), np.float32)


def _decayed(param: Tensor, grad: Any, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """``grad + weight_decay * param``, and the options without weight_decay."""
    rest = dict(options)
    decay = rest.pop("weight_decay")
    if decay:
        grad = kernels.add(grad, kernels.l1_l2_gradient(held(param), kernels.known(_ONE, "1"), 0.0, decay / 2))
    return grad, rest


def _size(gradient: Array) -> Array:
    """A number that is finite if and only if the gradient and its squared norm are."""
    if gradient.dtype == np.float32 and gradient.flags.c_contiguous:
        return np.asarray(kernels.squared_norm(gradient))
    return np.asarray(0.0 if np.isfinite(gradient).all() else np.nan)


def _kind_of(key: str) -> str:
    """The kind of a state's value, by its key."""
    if key.startswith("lr."):
        return "a rate"
    return "a count" if key == "steps" or key.endswith(".updates") else "numbers"


def _is_kind(key: str, value: Any) -> bool:
    match _kind_of(key):
        case "a rate":
            return isinstance(value, (int, float, np.number)) and bool(0 <= value <= 1e308)
        case "a count":
            return isinstance(value, (int, np.integer)) and bool(0 <= value < 2**63)
        case _:
            return np.asarray(value).dtype.kind in "fiub"


def _is_trained_leaf(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and value.op is None
