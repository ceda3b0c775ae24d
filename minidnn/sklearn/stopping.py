"""scikit-learn's stopping rule."""

from __future__ import annotations

import math

from minidnn.training import Callback, Run

SMALLEST = 1e-6
"""The learning rate below which "adaptive" ends the fit."""


class Converged(Callback):
    """Ends the run after more than ``patience`` epochs in a row without ``score >= best + tol``.

    Args:
        monitor: a column of the history; the score is -loss for "loss", else the column.
        adaptive: divide the rate by 5 instead; end the run if it is at most 1e-6.
    """

    def __init__(self, monitor: str, tol: float, patience: float, adaptive: bool = False) -> None:
        self.monitor, self.tol, self.patience, self.adaptive = monitor, tol, patience, adaptive
        self.best, self.waited = -math.inf, 0

    def on_fit_begin(self, run: Run) -> None:
        self.best, self.waited = -math.inf, 0

    def on_epoch_end(self, run: Run) -> None:
        score = -run.row["loss"] if self.monitor == "loss" else run.row[self.monitor]
        self.waited = 0 if score >= self.best + self.tol else self.waited + 1
        self.best = max(self.best, score)
        if self.waited <= self.patience:
            return
        if self.adaptive and run.optimizer.lr > SMALLEST:
            run.optimizer.lr /= 5
            self.waited = 0
        else:
            run.stop(f"{self.monitor} gained less than {self.tol:g} for {self.waited} epochs in a row")
