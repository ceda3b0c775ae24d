"""What an optimizer holds: a track for each parameter, in groups that share a learning rate and options."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn.array_access import refuse_while_recording
from minidnn.checks import number, readable
from minidnn.nn.constraints import Constraint
from minidnn.reference.types import Array
from minidnn.schedules import Schedule
from minidnn.tensor import Tensor

Rate = float | Schedule


class Track:
    """One parameter and its optimizer state.

    Attributes:
        param: the parameter.
        slots: its state arrays by name; empty while it is frozen.
        constraint: applied after each update, or None.
        updates: number of updates so far.
    """

    def __init__(self, param: Tensor, slots: dict[str, Array], constraint: Constraint | None = None) -> None:
        self.param, self.constraint = param, constraint
        self._slots = slots
        self._updates = np.zeros((), np.uint64)

    @property
    def slots(self) -> dict[str, Array]:
        refuse_while_recording("Track.slots")
        return self._slots

    @slots.setter
    def slots(self, slots: dict[str, Array]) -> None:
        refuse_while_recording("setting Track.slots")
        self._slots = slots

    @property
    def updates(self) -> int:
        refuse_while_recording("Track.updates")
        return int(self._updates)

    @updates.setter
    def updates(self, count: int) -> None:
        refuse_while_recording("setting Track.updates")
        self._updates[...] = count


class Group:
    """Parameters that share a rate and options.

    Attributes:
        tracks: the parameters.
        lr: the learning rate, a number or a schedule.
        options: the other hyperparameters by name.
    """

    def __init__(self, tracks: list[Track], lr: Rate, options: dict[str, Any] | None = None) -> None:
        self.tracks, self._lr = tracks, lr
        self.options: dict[str, Any] = {} if options is None else options
        self._rated: tuple[Any, int, float] = (None, -1, 0.0)

    @property
    def lr(self) -> Rate:
        refuse_while_recording("the lr of a group")
        return self._lr

    @lr.setter
    def lr(self, rate: Rate) -> None:
        refuse_while_recording("setting the lr of a group")
        self._lr = rate

    def rate(self, step: int) -> float:
        """The rate of a step.

        Raises:
            TypeError, ValueError: the schedule does not return a finite number >= 0.
        """
        lr = self._lr
        if not callable(lr):
            return lr
        if self._rated[:2] != (lr, step):  # a schedule is called once per step
            self._rated = lr, step, number(readable(lr), f"lr of step {step}", lr(step))
        rated: float = self._rated[2]
        return rated
