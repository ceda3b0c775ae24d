"""Base class of callbacks that monitor a column of the history."""

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
"""Last words of column names whose better value is the smaller (FALLING) or the larger (RISING)."""


class Watcher(Callback):
    """Checks a column of the history at the end of each epoch, or on the validation set every few steps.

    Keeps the best value. Subclasses define ``on_check``.

    Args:
        monitor: the column; with ``every`` one of the validation set, such as "valid_loss".
        every: steps between checks; None: at the end of each epoch.
        patience: time to wait for an improvement, in epochs, or in steps if every is given.
        min_delta: the smallest improvement that counts.
        mode: the column should fall ("min") or rise ("max"); "auto": by the metric or the column's name.

    Attributes:
        best: the best value; NaN is never better.
        best_step, best_epoch: its step and epoch.

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
                f"{kind}: monitor is {monitor!r}, must be a column of the validation set, such as 'valid_loss', if "
                "every is given; give every=None to check it at the end of each epoch"
            )
        self.patience = positive_integer(kind, "patience", patience)
        self.min_delta = number(kind, "min_delta", min_delta)

    @property
    def owner(self) -> str:
        """Its name in error messages."""
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
        elif self.monitor not in run.known_columns():  # a known column may start in a later epoch, as an average's
            raise ValueError(self._unknown(list(run.row)))

    def _ask(self, run: Run) -> None:
        """Raises a ValueError if the column is missing, or is added by a later callback."""
        if run.valid is None and self.monitor.startswith("valid_"):
            raise ValueError(
                f"{self.owner}: monitor is {self.monitor!r}, which needs a validation set; give fit(valid=...)"
            )
        known = run.known_columns()
        if self.monitor not in known and not any(map(_may_add, run.callbacks)):
            raise ValueError(self._unknown(known))
        for callback in run.callbacks[list(run.callbacks).index(self) :] if self in run.callbacks else ():
            if self.monitor in callback.columns(run):
                raise ValueError(
                    f"{self.owner}: monitor is {self.monitor!r}, which {type(callback).__name__} adds later; put "
                    f"{type(callback).__name__} before {self.owner} in callbacks"
                )

    def _unknown(self, columns: Sequence[str]) -> str:
        return f"{self.owner}: monitor is {self.monitor!r}, must be one of {', '.join(columns)}"

    def _direction(self, run: Run) -> str:
        said = self._said(run)
        if said is None:
            raise ValueError(
                f"{self.owner}: mode is 'auto', but neither a metric nor the name tells whether {self.monitor} should "
                "fall or rise; give mode='min' or mode='max'"
            )
        return said

    def _said(self, run: Run) -> str | None:
        """The better direction by the mode, the metric or the column's name; None if unknown."""
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
        """Called after each check; waited: time since the last improvement, in the unit of patience."""


def direction_of(column: str) -> Literal["min", "max"] | None:
    """The direction of a column as a model gets better, by its name; None if the name does not tell."""
    last = column.lower().split("_")[-1]
    if last in FALLING or last in RISING:
        return "min" if last in FALLING else "max"
    return None


def _may_add(callback: Callback) -> bool:
    """Whether a user's callback may add columns that it does not declare."""
    kind = type(callback)
    is_own = kind.__module__.startswith("minidnn.")
    return not is_own and kind.on_epoch_end is not Callback.on_epoch_end and kind.columns is Callback.columns
