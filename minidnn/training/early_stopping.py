"""Stopping when the validation set says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn.reference.types import Array
from minidnn.training.run import Run
from minidnn.training.watching import Mode, Watcher


class EarlyStopping(Watcher):
    """Ends the run when nothing improved for a while, and restores the best weights (Prechelt 1998).

    The chapter's form: evaluate at regular intervals (every 50 steps), keep a snapshot of the winner, count the steps
    since then and stop at a limit (2,000). The winner's parameters and buffers are put back on every way out: patience,
    the last epoch, Ctrl-C, an error. ``history.stopped`` says why and where.

    Args:
        patience: steps where every is given, else epochs.
        every: steps from one evaluation to the next; None for each epoch's end.
        monitor: a column of the history, such as "valid_loss", a metric's, or one that a callback adds.
        min_delta: by how much it must be better.
        mode: whether the column shall fall ("min") or rise ("max"); "auto": as the metric or the name says.

    Attributes:
        best, best_step, best_epoch: the winner.

    Raises:
        TypeError, ValueError: an argument out of range; fit without the column, which lists those there are.
    """

    def __init__(
        self,
        patience: int = 2000,
        every: int | None = 50,
        monitor: str = "valid_loss",
        min_delta: float = 0.0,
        mode: Mode = "auto",
    ) -> None:
        super().__init__(monitor, every, patience, min_delta, mode)
        self._winner: dict[str, Array] = {}

    def on_fit_begin(self, run: Run) -> None:
        super().on_fit_begin(run)
        self._winner = {}

    def on_check(self, run: Run, better: bool, waited: int) -> None:
        if better:
            self._winner = run.model.state_dict()
        elif waited >= self.patience:
            unit = "epochs" if self.every is None else "steps"
            run.stop(
                f"no better {self.monitor} than {self.best:.6g} (step {self.best_step}, epoch {self.best_epoch}) "
                f"for {waited} {unit}"
            )

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {f"winner.{path}": value for path, value in self._winner.items()}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        super().load_state_dict(run, state)
        self._winner = {key[7:]: value for key, value in state.items() if key.startswith("winner.")}

    def on_fit_end(self, run: Run) -> None:
        if self._winner:
            run.model.load_state_dict(self._winner)
