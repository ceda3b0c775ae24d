"""A run in progress, as callbacks see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minidnn.data import ArrayDataset
from minidnn.nn import Module
from minidnn.optim import Optimizer
from minidnn.tensor import Tensor
from minidnn.training.history import History

Loss = Callable[[Tensor, Any], Tensor]


@dataclass
class Run:
    """What `fit` is doing.

    Attributes:
        epoch: counts from 1.
        epochs: how many were asked for.
        step: the updates made in this run.
        loss: the loss of the latest batch, penalties included.
        regularized: whether the model has penalties.
        row: the row of the epoch just finished, within ``on_epoch_end``; the history has it already.
        stopping: why the run shall stop, or None.
    """

    model: Module
    optimizer: Optimizer
    train: ArrayDataset
    valid: ArrayDataset | None
    loss_function: Loss
    epochs: int
    batch_size: int
    regularized: bool = False
    history: History = field(default_factory=History)
    epoch: int = 0
    step: int = 0
    loss: float = float("nan")
    row: dict[str, Any] = field(default_factory=dict)
    stopping: str | None = None

    def stop(self, reason: str) -> None:
        """Ends the run after the current step; the first reason is kept."""
        self.stopping = self.stopping or reason


class Callback:
    """Does something at fixed points of `fit`. Subclasses define what they need of these."""

    def on_fit_begin(self, run: Run) -> None:
        """Before the first step."""

    def on_step_end(self, run: Run) -> None:
        """After each update."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch that was not cut short, when its row is complete."""

    def on_fit_end(self, run: Run) -> None:
        """At the very end, whatever ended it: the last epoch, `Run.stop`, Ctrl-C or an error."""
