"""A run in progress, as callbacks see it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minidnn.data import Dataset
from minidnn.nn import Module
from minidnn.optim import Optimizer
from minidnn.parallel import World
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor
from minidnn.training.capture import Captured
from minidnn.training.history import History

if TYPE_CHECKING:
    from minidnn.training.metrics import Metric

Loss = Callable[..., Tensor]
"""``(outputs, targets) -> scalar Tensor``."""


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
    seconds: float = 0.0


@dataclass
class Run:
    """What `fit` is doing.

    Attributes:
        epoch: counts from 1.
        epochs: how many were requested.
        step: the updates made in this run.
        loss: the loss of the latest update, penalties and weights included.
        metrics: of the training data in this epoch.
        regularized: whether the model has penalties.
        row: the row of the epoch just finished, within ``on_epoch_end``; the history has it already.
        stopping: why the run shall stop, or None.
        rng: draws the orders.
        callbacks: all of them, in the order in which they are called.
        resumed: whether it was asked to go on from a checkpoint.
        position: within the epoch.
        identity: the configuration, which a checkpoint must have to fit; see `minidnn.training.identity`.
        weights: of each example, or None.
        accumulate: batches in an update.
        captured: the training step, once it is captured; ``print(run.captured)`` shows its program. With shards, that
            of the gradients of one shard.
        shards: of each batch, or None.
        world: the processes that compute them.
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
    metrics: Sequence[Metric] = ()
    weights: Any = None
    accumulate: int = 1
    drop_last: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    captured: Captured | None = None
    shards: int | None = None
    world: World = field(default_factory=World)

    def stop(self, reason: str) -> None:
        """Ends the run after the current step; the first reason is kept."""
        self.stopping = self.stopping or reason

    @property
    def batches_per_epoch(self) -> int:
        """How many batches an epoch has."""
        n = len(self.train)
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """How many updates an epoch has."""
        return math.ceil(self.batches_per_epoch / self.accumulate)

    @property
    def measures(self) -> list[str]:
        """The names of the loss and of the metrics, as columns for a data set have them behind a prefix."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def new_metrics(self) -> list[Metric]:
        """The metrics of the run, for another data set."""
        return [copy.copy(metric) for metric in self.metrics]

    def known_columns(self) -> list[str]:
        """The columns that the history will have, as far as callbacks say."""
        columns = ["epoch", "step", "lr", *self.measures, "seconds", "examples_per_second"]
        if self.valid is not None:
            columns += [f"valid_{name}" for name in self.measures]
        return columns + [column for callback in self.callbacks for column in callback.columns(self)]


class Callback:
    """Does something at fixed points of `fit`. Subclasses define what they need of these.

    Attributes:
        place: callbacks are called in the order of their places, and with the same place in the order given. Most have
            0; the progress bar is called after them, checkpoints last, when all others have seen the step.
        observer: whether it only watches, so that a run with it and one without are the same run (`fit`'s ``resume``).
        alone: whether rank 0 alone has it, where several processes train one model: it prints, or writes files. Such a
            callback only watches, and asks for nothing that all ranks do together.
    """

    place = 0
    observer: bool = False
    alone: bool = False

    def on_fit_begin(self, run: Run) -> None:
        """Before the first step."""

    def on_gradients(self, run: Run) -> None:
        """Between the gradients and the update: reads or changes ``grad`` of the parameters, before they are clipped.

        A step with such a callback is Python, and not captured.
        """

    def on_step_end(self, run: Run) -> None:
        """After each update."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch that was not cut short, when its row is complete."""

    def on_fit_end(self, run: Run) -> None:
        """At the very end, whatever ended it: the last epoch, `Run.stop`, Ctrl-C or an error."""

    def columns(self, run: Run) -> Sequence[str]:
        """The columns that it adds to rows, so that others can watch them."""
        return ()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep of it: arrays, and values that JSON knows."""
        return {}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; called after ``on_fit_begin``, when the run itself is restored."""

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if isinstance(value, (bool, int, float, str))}
        public = ", ".join(f"{name}={value!r}" for name, value in shown.items() if not name.startswith("_"))
        return f"{type(self).__name__}({public})"
