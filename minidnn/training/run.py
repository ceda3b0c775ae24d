"""A run in progress, as callbacks see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minidnn.data import Dataset
from minidnn.nn import Module
from minidnn.optim import Optimizer
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor
from minidnn.training.history import History

Loss = Callable[[Tensor, Any], Tensor]


@dataclass
class Position:
    """Where in an epoch a run is, and what the epoch's row will be made of.

    Attributes:
        batches: done in this epoch; 0 between epochs.
        order: the state of the generator from which the epoch's order was drawn.
        lr: at the epoch's beginning.
        seen: examples.
        seconds: spent.
    """

    batches: int = 0
    order: dict[str, int] = field(default_factory=dict)
    lr: float = 0.0
    seen: int = 0
    loss_sum: float = 0.0
    accuracy_sum: float = 0.0
    seconds: float = 0.0


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
        rng: draws the orders.
        callbacks: those that the user gave, but for checkpoints.
        resumed: whether it was asked to go on from a checkpoint.
        position: within the epoch.
        identity: the configuration, which a checkpoint must have to fit; see `minidnn.training.identity`.
    """

    model: Module
    optimizer: Optimizer
    train: Dataset
    valid: Dataset | None
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
    rng: Generator = field(default_factory=default_generator)
    callbacks: Sequence[Callback] = ()
    resumed: bool = False
    position: Position = field(default_factory=Position)
    identity: dict[str, str] = field(default_factory=dict)

    def stop(self, reason: str) -> None:
        """Ends the run after the current step; the first reason is kept."""
        self.stopping = self.stopping or reason


class Callback:
    """Does something at fixed points of `fit`. Subclasses define what they need of these.

    Attributes:
        observer: whether it only watches, so that a run with it and one without are the same run (`fit`'s ``resume``).
    """

    observer: bool = False

    def on_fit_begin(self, run: Run) -> None:
        """Before the first step."""

    def on_step_end(self, run: Run) -> None:
        """After each update."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch that was not cut short, when its row is complete."""

    def on_fit_end(self, run: Run) -> None:
        """At the very end, whatever ended it: the last epoch, `Run.stop`, Ctrl-C or an error."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep of it: arrays, and values that JSON knows."""
        return {}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; called after ``on_fit_begin``, when the run itself is restored."""
