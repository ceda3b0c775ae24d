"""Early stopping on a validation column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn.reference.types import Array
from minidnn.training.run import Run
from minidnn.training.watching import Mode, Watcher


class EarlyStopping(Watcher):
    """Ends the run when a column has stopped improving, and restores the best weights (Prechelt 1998).

    The defaults are the chapter's: evaluate every 50 steps, keep a snapshot of the best model, and stop after 2,000
    steps without improvement. The best parameters and buffers are restored however the run ends: by patience, the last
    epoch, Ctrl-C or an error. ``history.stopped`` gives the reason and the step.

    Args:
        patience: steps without improvement; epochs if every is None.
        every: steps between evaluations; None: at the end of each epoch.
        monitor: a column of the history, such as "valid_loss", a metric, or a column that a callback adds.
        min_delta: the smallest improvement that counts.
        mode: the column should fall ("min") or rise ("max"); "auto": by the metric or the column's name.

    Attributes:
        best, best_step, best_epoch: the best value, and its step and epoch.

    Raises:
        TypeError, ValueError: an argument out of range; in fit: the history lacks the column (the message lists the
            columns).
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
