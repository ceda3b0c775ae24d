"""What watches a column of the history and waits for it to get better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from minidnn.checks import number, positive_integer
from minidnn.training.evaluate import measured_in
from minidnn.training.run import Callback, Run

Mode = Literal["auto", "min", "max"]

_KEPT = ("best", "best_step", "best_epoch", "_last_good")

FALLING = ("loss", "error", "mae", "mse", "rmse", "deviance")
RISING = ("accuracy", "r2", "f1", "auc", "precision", "recall", "score", "density", "kappa")
"""How columns whose metric does not say it end, and which way they shall go."""


class Watcher(Callback):
    """Looks at a column of the history at each epoch's end, or at the validation set every few steps.

    Keeps the best it has seen. Subclasses define ``on_check``.

    Args:
        monitor: the column; with ``every`` one of the validation set, such as "valid_loss".
        every: steps between two looks; None for each epoch's end.
        patience: how long (in steps where every is given, else in epochs) to wait for something better.
        min_delta: by how much it must be better.
        mode: whether the column shall fall ("min") or rise ("max"); "auto": as the metric or the name says.

    Attributes:
        best: the best value; NaN never is.
        best_step: the step at which it was seen.

    Raises:
        TypeError, ValueError: an argument out of range.
    """

    def __init__(self, monitor: str, every: int | None, patience: int, min_delta: float, mode: Mode = "auto") -> None:
        kind = self.owner
        if not isinstance(monitor, str):
            raise TypeError(f"{kind}: monitor must be the name of a column, got {monitor!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{kind}: mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.mode = monitor, mode
        self.every = None if every is None else positive_integer(kind, "every", every)
        if self.every is not None and not monitor.startswith("valid_"):
            raise ValueError(
                f"{kind}: monitor is {monitor!r}, which is known at each epoch's end alone: give every=None; every "
                f"{every} steps the validation set is looked at (valid_loss, ...)"
            )
        self.patience = positive_integer(kind, "patience", patience)
        self.min_delta = number(kind, "min_delta", min_delta)

    @property
    def owner(self) -> str:
        """How errors call it."""
        return type(self).__name__

    def on_fit_begin(self, run: Run) -> None:
        self._ask(run)
        self.rises = self._direction(run) == "max"
        self.best = -math.inf if self.rises else math.inf
        self.best_step = 0
        self.best_epoch = 0
        self._last_good = 0

    def on_step_end(self, run: Run) -> None:
        if self.every is not None and run.step % self.every == 0 and run.valid is not None:
            self._look(run, measured_in(run, run.valid, "valid_")[self.monitor], run.step)

    def on_epoch_end(self, run: Run) -> None:
        if self.every is not None:
            return
        if self.monitor in run.row:
            self._look(run, run.row[self.monitor], run.epoch)
        elif self.monitor not in run.known_columns():  # else it begins late, as that of an average may
            raise ValueError(self._unknown(list(run.row)))

    def _ask(self, run: Run) -> None:
        """Raises a ValueError where the column is not there, or comes later than this callback."""
        if run.valid is None and self.monitor.startswith("valid_"):
            raise ValueError(f"{self.owner}: watches {self.monitor}, so fit needs valid=")
        known = run.known_columns()
        if self.monitor not in known and not any(map(_may_add, run.callbacks)):
            raise ValueError(self._unknown(known))
        for callback in run.callbacks[list(run.callbacks).index(self) :] if self in run.callbacks else ():
            if self.monitor in callback.columns(run):
                raise ValueError(
                    f"{self.owner}: watches {self.monitor}, which {type(callback).__name__} adds after it; put "
                    f"{type(callback).__name__} before it in callbacks"
                )

    def _unknown(self, columns: Sequence[str]) -> str:
        return f"{self.owner}: monitor is {self.monitor!r}, must be one of {', '.join(columns)}"

    def _direction(self, run: Run) -> str:
        said = self._said(run)
        if said is None:
            raise ValueError(
                f"{self.owner}: nobody says whether {self.monitor} shall fall or rise; give mode='min' or 'max'"
            )
        return said

    def _said(self, run: Run) -> str | None:
        """Which way the column shall go, as the mode, its metric or its name says; else None."""
        if self.mode != "auto":
            return self.mode
        for metric in run.metrics:
            if self.monitor.removeprefix("valid_") == metric.name and metric.better is not None:
                return metric.better
        return direction_of(self.monitor)

    def _look(self, run: Run, value: float, now: int) -> None:
        gain = value - self.best if self.rises else self.best - value
        better = gain > self.min_delta  # False for NaN
        if better:
            self.best, self.best_step, self.best_epoch, self._last_good = value, run.step, run.epoch, now
        self.on_check(run, better, waited=now - self._last_good)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _KEPT}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        for name in _KEPT:
            setattr(self, name, state[name])

    def on_check(self, run: Run, better: bool, waited: int) -> None:
        """After each look; waited is how long nothing was better, in units of patience."""


def direction_of(column: str) -> Literal["min", "max"] | None:
    """Which way a column goes as a model gets better, as its name says; None where it does not."""
    last = column.lower().split("_")[-1]
    if last in FALLING or last in RISING:
        return "min" if last in FALLING else "max"
    return None


def _may_add(callback: Callback) -> bool:
    """Whether a callback of the user's may add columns that it does not tell of."""
    kind = type(callback)
    is_own = kind.__module__.startswith("minidnn.")
    return not is_own and kind.on_epoch_end is not Callback.on_epoch_end and kind.columns is Callback.columns
