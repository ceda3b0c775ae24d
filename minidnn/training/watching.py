"""What watches a number and waits for it to get better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from minidnn.checks import number, positive_integer
from minidnn.training.evaluate import evaluate
from minidnn.training.run import Callback, Run

Monitor = Literal["valid_loss", "valid_accuracy"]

_KEPT = ("best", "best_step", "best_epoch", "_last_good")


class Watcher(Callback):
    """Looks at the validation set every so many steps, or at each epoch's end, and keeps the best it has seen.

    Subclasses define ``on_check``.

    Args:
        monitor: "valid_loss", which shall fall, or "valid_accuracy", which shall rise.
        every: steps between two looks; None for each epoch's end.
        patience: how long (in steps where every is given, else in epochs) to wait for something better.
        min_delta: by how much it must be better.

    Attributes:
        best: the best value; NaN never is.
        best_step: the step at which it was seen.

    Raises:
        TypeError, ValueError: an argument out of range.
    """

    def __init__(self, monitor: Monitor, every: int | None, patience: int, min_delta: float) -> None:
        kind = type(self).__name__
        if monitor not in ("valid_loss", "valid_accuracy"):
            raise ValueError(f"{kind}: monitor must be 'valid_loss' or 'valid_accuracy', got {monitor!r}")
        self.monitor = monitor
        self.every = None if every is None else positive_integer(kind, "every", every)
        self.patience = positive_integer(kind, "patience", patience)
        self.min_delta = number(kind, "min_delta", min_delta)

    def on_fit_begin(self, run: Run) -> None:
        if run.valid is None:
            raise ValueError(f"{type(self).__name__}: watches {self.monitor}, so fit needs valid=")
        self.best = math.inf if self.monitor == "valid_loss" else -math.inf
        self.best_step = 0
        self.best_epoch = 0
        self._last_good = 0

    def on_step_end(self, run: Run) -> None:
        if self.every is not None and run.step % self.every == 0 and run.valid is not None:
            loss, accuracy = evaluate(run.model, run.valid, run.loss_function)
            self._look(run, loss if self.monitor == "valid_loss" else accuracy, run.step)

    def on_epoch_end(self, run: Run) -> None:
        if self.every is None:
            self._look(run, run.row[self.monitor], run.epoch)

    def _look(self, run: Run, value: float, now: int) -> None:
        gain = self.best - value if self.monitor == "valid_loss" else value - self.best
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
