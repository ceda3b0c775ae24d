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
    """Position of a run within an epoch, and the sums for the epoch's row.

    Attributes:
        batches: batches done in this epoch; 0 between epochs.
        order: the state of the generator before it drew the epoch's order.
        lr: at the start of the epoch.
        seen: examples seen in this epoch.
        loss_sum: sum of the losses over these examples.
        seconds: training time of this epoch.
    """

    batches: int = 0
    order: dict[str, int] = field(default_factory=dict)
    lr: float = 0.0
    seen: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0


@dataclass
class Run:
    """The state of a call of `fit`.

    Attributes:
        epoch: the current epoch, from 1.
        epochs: the number requested.
        step: the number of updates so far.
        loss: the loss of the latest update, penalties and weights included.
        metrics: of the training data in this epoch.
        regularized: whether the model has penalties.
        row: in ``on_epoch_end``: the row of the epoch just finished, which is in the history already.
        stopping: why the run stops, or None.
        rng: draws the orders.
        callbacks: all callbacks, in the order in which they are called.
        resumed: whether fit was called with ``resume``.
        position: within the epoch.
        identity: the configuration, which must equal a checkpoint's; see `minidnn.training.identity`.
        weights: one weight per example, or None.
        accumulate: batches per update.
        captured: the captured training step, or None; ``print(run.captured)`` shows its program. With shards, the
            captured gradients of one shard.
        shards: number of shards per batch, or None.
        world: the processes that compute the shards.
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
        """Number of batches in an epoch."""
        n = len(self.train)
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Number of updates in an epoch."""
        return math.ceil(self.batches_per_epoch / self.accumulate)

    @property
    def measures(self) -> list[str]:
        """The names of the loss and the metrics; columns of a data set are a prefix and such a name."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def new_metrics(self) -> list[Metric]:
        """The metrics of the run, for another data set."""
        return [copy.copy(metric) for metric in self.metrics]

    def known_columns(self) -> list[str]:
        """The columns that the history will have, including those that callbacks declare."""
        columns = ["epoch", "step", "lr", *self.measures, "seconds", "examples_per_second"]
        if self.valid is not None:
            columns += [f"valid_{name}" for name in self.measures]
        return columns + [column for callback in self.callbacks for column in callback.columns(self)]


class Callback:
    """Base class: methods that `fit` calls at fixed points. Subclasses override those that they need.

    Attributes:
        place: callbacks are called in ascending order of place, and in the given order for equal places. Most have 0;
            the progress bar has 1, checkpoints 2, so that they are called after all others.
        observer: whether it only observes: adding or removing it does not change the run (see ``resume`` of `fit`).
        alone: whether only rank 0 has it when several processes train one model, since it prints or writes files. Such
            a callback only observes, and takes part in no operation of all ranks.
    """

    place = 0
    observer: bool = False
    alone: bool = False

    def on_fit_begin(self, run: Run) -> None:
        """Called before the first step."""

    def on_gradients(self, run: Run) -> None:
        """Called between backward and update, before clipping: may read or change ``grad`` of the parameters.

        A step with such a callback runs as Python and is not captured.
        """

    def on_step_end(self, run: Run) -> None:
        """Called after each update."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each complete epoch, with its row in ``run.row``."""

    def on_fit_end(self, run: Run) -> None:
        """Called at the end of the run, however it ended: the last epoch, `Run.stop`, Ctrl-C or an error."""

    def columns(self, run: Run) -> Sequence[str]:
        """The columns that it adds to the rows, so that other callbacks can monitor them."""
        return ()

    def state_dict(self) -> dict[str, Any]:
        """The callback's state for a checkpoint: arrays and JSON values."""
        return {}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        """Restores `state_dict`; called after ``on_fit_begin``, when the run itself is restored."""

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if isinstance(value, (bool, int, float, str))}
        public = ", ".join(f"{name}={value!r}" for name, value in shown.items() if not name.startswith("_"))
        return f"{type(self).__name__}({public})"
