"""Performance scheduling: reduces the learning rate when a column stops improving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minidnn.checks import number
from minidnn.optim.groups import Rate
from minidnn.training.run import Run
from minidnn.training.watching import Mode, Watcher


class ReduceOnPlateau(Watcher):
    """Multiplies the learning rate by ``factor`` after ``patience`` steps or epochs without improvement.

    The chapter's performance scheduling (Senior et al. 2013). Applies to all groups of the optimizer; a schedule is
    kept and scaled.

    Args:
        factor: in (0, 1).
        patience: epochs without improvement; steps if every is given.
        min_lr: lower bound of the rate.
        every: steps between evaluations; None: at the end of each epoch.
        monitor: a column of the history, such as "valid_loss", a metric, or a column that a callback adds.
        min_delta: the smallest improvement that counts.
        mode: the column should fall ("min") or rise ("max"); "auto": by the metric or the column's name.

    Attributes:
        reductions: the steps at which the rate was reduced.

    Raises:
        TypeError, ValueError: an argument out of range; in fit: the history lacks the column (the message lists the
            columns).
    """

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 2,
        min_lr: float = 0.0,
        every: int | None = None,
        monitor: str = "valid_loss",
        min_delta: float = 0.0,
        mode: Mode = "auto",
    ) -> None:
        super().__init__(monitor, every, patience, min_delta, mode)
        if not 0 < factor < 1:
            raise ValueError(f"ReduceOnPlateau: factor must be in (0, 1), got {factor}")
        self.factor = factor
        self.min_lr = number("ReduceOnPlateau", "min_lr", min_lr)
        self.reductions: list[int] = []

    def on_fit_begin(self, run: Run) -> None:
        super().on_fit_begin(run)
        self.reductions = []

    def on_check(self, run: Run, better: bool, waited: int) -> None:
        if waited < self.patience:
            return
        self._last_good += waited  # the next reduction waits for the full patience again
        self.reductions.append(run.step)
        for group in run.optimizer.groups:
            group.lr = _scaled(group.lr, self.factor, self.min_lr)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"reductions": self.reductions}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        super().load_state_dict(run, state)
        self.reductions = list(state["reductions"])
        for group in run.optimizer.groups:
            for _ in self.reductions if callable(group.lr) else ():  # constant rates are in the optimizer's state
                group.lr = _scaled(group.lr, self.factor, self.min_lr)


@dataclass(frozen=True)
class scaled:
    """``lr(step) = max(factor * schedule(step), min(least, schedule(step)))``."""

    schedule: Callable[[int], float]
    factor: float
    least: float

    def __call__(self, step: int) -> float:
        rate = self.schedule(step)
        return max(self.factor * rate, min(self.least, rate))


def _scaled(rate: Rate, factor: float, least: float) -> Rate:
    if callable(rate):
        return scaled(rate, factor, least)
    return rate if rate <= least else max(factor * rate, least)
