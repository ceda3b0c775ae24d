"""Learning-rate schedules: functions ``step -> lr``; step is the number of updates already made.

Each is a frozen dataclass: it can be compared and printed. Constructors raise ValueError for rates that are negative or
not finite and for numbers of steps that are not above 0; the message names the argument.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class constant:
    """``lr(step) = lr``."""

    lr: float

    def __post_init__(self) -> None:
        _check_rate("constant", "lr", self.lr)

    def __call__(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True)
class piecewise_constant:
    """``lr(step) = values[i]`` for ``boundaries[i - 1] <= step < boundaries[i]``: the chapter's predetermined schedule.

    Args:
        boundaries: increasing steps at which the rate changes.
        values: the rates, one more than boundaries.
    """

    boundaries: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"piecewise_constant: values has {len(self.values)} rates, must have {len(self.boundaries) + 1}, one "
                "more than boundaries"
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"piecewise_constant: boundaries must increase, got {list(self.boundaries)}")
        for value in self.values:
            _check_rate("piecewise_constant", "values", value)

    def __call__(self, step: int) -> float:
        return self.values[bisect_right(self.boundaries, step)]


@dataclass(frozen=True)
class exponential:
    """``lr(step) = initial * decay_rate ** (step / decay_steps)``, as TensorFlow's ``exponential_decay``.

    ``exponential(lr0, 1 / 10, r)`` is the chapter's ``lr0 * 10 ** (-t / r)`` (Senior et al. 2013).

    Args:
        initial: the rate of step 0.
        decay_rate: the factor over decay_steps, > 0.
        decay_steps: > 0.
        staircase: use ``step // decay_steps``, so that the rate falls in steps.
    """

    initial: float
    decay_rate: float
    decay_steps: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _check_rate("exponential", "initial", self.initial)
        _check_positive("exponential", "decay_rate", self.decay_rate)
        _check_positive("exponential", "decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        exponent = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial * self.decay_rate**exponent


@dataclass(frozen=True)
class power:
    """``lr(step) = initial * (1 + step / decay_steps) ** -c`` (Senior et al. 2013).

    Args:
        initial: the rate of step 0.
        decay_steps: > 0.
        c: > 0; 1 equals `inverse_time` with a decay rate of 1.
    """

    initial: float
    decay_steps: float
    c: float = 1.0

    def __post_init__(self) -> None:
        _check_rate("power", "initial", self.initial)
        _check_positive("power", "decay_steps", self.decay_steps)
        _check_positive("power", "c", self.c)

    def __call__(self, step: int) -> float:
        return self.initial * (1 + step / self.decay_steps) ** -self.c


@dataclass(frozen=True)
class inverse_time:
    """``lr(step) = initial / (1 + decay_rate * step / decay_steps)``, as TensorFlow's ``inverse_time_decay``.

    Args:
        initial: the rate of step 0.
        decay_rate, decay_steps: > 0.
        staircase: use ``step // decay_steps``, so that the rate falls in steps.
    """

    initial: float
    decay_rate: float
    decay_steps: float
    staircase: bool = False

    def __post_init__(self) -> None:
        _check_rate("inverse_time", "initial", self.initial)
        _check_positive("inverse_time", "decay_rate", self.decay_rate)
        _check_positive("inverse_time", "decay_steps", self.decay_steps)

    def __call__(self, step: int) -> float:
        t = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial / (1 + self.decay_rate * t)


@dataclass(frozen=True)
class cosine:
    """``lr = final + (initial - final) * (1 + cos(pi * t)) / 2``; t rises from 0 to 1 over a period.

    Without restarts the rate stays at ``final`` after the first period. With restarts each period is ``stretch`` times
    as long as the one before and starts at ``shrink`` times its initial rate: SGDR (Loshchilov & Hutter 2017).

    Args:
        initial, final: the rates at the start and the end of the first period.
        period: number of steps of the first period.
        restarts: start a new period at the end of each.
        stretch: >= 1.
        shrink: > 0.
    """

    initial: float
    period: int
    final: float = 0.0
    restarts: bool = False
    stretch: float = 1.0
    shrink: float = 1.0

    def __post_init__(self) -> None:
        _check_rate("cosine", "initial", self.initial)
        _check_rate("cosine", "final", self.final)
        _check_positive("cosine", "period", self.period)
        _check_positive("cosine", "shrink", self.shrink)
        if not (math.isfinite(self.stretch) and self.stretch >= 1):
            raise ValueError(f"cosine: stretch must be a finite number >= 1, got {self.stretch}")

    def __call__(self, step: int) -> float:
        if not self.restarts:
            return _cosine_between(self.initial, self.final, min(step / self.period, 1.0))
        restart, begin, length = self._period_of(step)
        return _cosine_between(self.initial * self.shrink**restart, self.final, (step - begin) / length)

    def _period_of(self, step: int) -> tuple[int, float, float]:
        """The index of the step's period, its first step and its length."""
        if self.stretch == 1:
            restart = int(step // self.period)
            return restart, restart * self.period, self.period
        restart, begin, length = 0, 0.0, float(self.period)
        while step >= begin + length:
            restart, begin, length = restart + 1, begin + length, length * self.stretch
        return restart, begin, length


@dataclass(frozen=True)
class one_cycle:
    """Rises from ``peak / start_factor`` to ``peak``, then falls to ``peak / end_factor``, along cosines (Smith 2018).

    Args:
        peak: the highest rate, for example the rate that `training.lr_range_test` suggests.
        steps: length of the cycle; after it the rate stays at ``peak / end_factor``.
        warm: the share of the steps in which the rate rises, in (0, 1).
        start_factor, end_factor: > 0.
    """

    peak: float
    steps: int
    warm: float = 0.3
    start_factor: float = 25.0
    end_factor: float = 1e4

    def __post_init__(self) -> None:
        _check_rate("one_cycle", "peak", self.peak)
        _check_positive("one_cycle", "steps", self.steps)
        _check_positive("one_cycle", "start_factor", self.start_factor)
        _check_positive("one_cycle", "end_factor", self.end_factor)
        if not 0 < self.warm < 1:
            raise ValueError(f"one_cycle: warm must be in (0, 1), got {self.warm}")

    def __call__(self, step: int) -> float:
        top = self.warm * self.steps
        if step < top:
            return _cosine_between(self.peak / self.start_factor, self.peak, step / top)
        return _cosine_between(self.peak, self.peak / self.end_factor, min((step - top) / (self.steps - top), 1.0))


@dataclass(frozen=True)
class warm_up:
    """``lr(step) = start + (after(0) - start) * step / steps``, then ``after(step - steps)`` (Goyal et al. 2017).

    Args:
        steps: length of the warm-up, > 0.
        after: the schedule that follows.
        start: the rate of step 0.
    """

    steps: int
    after: Schedule
    start: float = 0.0

    def __post_init__(self) -> None:
        _check_positive("warm_up", "steps", self.steps)
        _check_rate("warm_up", "start", self.start)

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.after(step - self.steps)
        return self.start + (self.after(0) - self.start) * step / self.steps


@dataclass(frozen=True)
class join:
    """One schedule after the other, each called with the steps since its start.

    Args:
        schedules: one more than boundaries.
        boundaries: increasing steps at which the next schedule starts.
    """

    schedules: Sequence[Schedule]
    boundaries: Sequence[int]

    def __post_init__(self) -> None:
        if len(self.schedules) != len(self.boundaries) + 1:
            raise ValueError(
                f"join: schedules has {len(self.schedules)} entries, must have {len(self.boundaries) + 1}, one more "
                "than boundaries"
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"join: boundaries must increase, got {list(self.boundaries)}")

    def __call__(self, step: int) -> float:
        place = bisect_right(self.boundaries, step)
        return self.schedules[place](step - (self.boundaries[place - 1] if place else 0))


def _cosine_between(first: float, last: float, t: float) -> float:
    """From first at t = 0 to last at t = 1."""
    return last + (first - last) * (1 + math.cos(math.pi * t)) / 2


def _check_rate(schedule: str, argument: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{schedule}: {argument} must be a finite number >= 0, got {value}")


def _check_positive(schedule: str, argument: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{schedule}: {argument} must be a finite number > 0, got {value}")
