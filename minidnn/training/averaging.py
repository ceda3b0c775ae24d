"""Running average of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn.checks import number, positive_integer
from minidnn.reference.types import Array
from minidnn.training.evaluate import measured_in
from minidnn.training.run import Callback, Run


class AverageWeights(Callback):
    """Keeps ``average = decay * average + (1 - decay) * weights`` and loads it into the model when the run ends.

    SGD oscillates around a minimum; the average of its iterates lies closer to it (Polyak & Juditsky 1992). Buffers,
    such as running statistics, are averaged too. With a validation set, each row has ``average_valid_loss``,
    ``average_valid_accuracy``, ... from the first epoch that ends with an average.

    Args:
        decay: in [0, 1).
        every: steps between updates of the average, at least 1; it covers about the last ``every / (1 - decay)`` steps.
        start: the first step that may be averaged.

    Raises:
        TypeError, ValueError: an argument out of range.
    """

    def __init__(self, decay: float = 0.99, every: int = 10, start: int = 0) -> None:
        self.decay = number("AverageWeights", "decay", decay, below=1.0)
        self.every = positive_integer("AverageWeights", "every", every)
        self.start = start
        self.average: dict[str, Array] = {}

    def on_fit_begin(self, run: Run) -> None:
        self.average = {}

    def on_step_end(self, run: Run) -> None:
        if run.step < self.start or run.step % self.every:
            return
        if not self.average:
            self.average = run.model.state_dict()
            return
        for path, value in run.model.tensors().items():
            average = self.average[path]
            average += average.dtype.type(1 - self.decay) * (value.data - average)

    def on_epoch_end(self, run: Run) -> None:
        if run.valid is None or not self.average:
            return
        own = run.model.state_dict()
        run.model.load_state_dict(self.average)
        try:
            columns = measured_in(run, run.valid, "average_valid_")
        finally:
            run.model.load_state_dict(own)
        run.row |= columns

    def columns(self, run: Run) -> list[str]:
        return [] if run.valid is None else [f"average_valid_{name}" for name in run.measures]

    def state_dict(self) -> dict[str, Any]:
        return dict(self.average)

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        self.average = dict(state)

    def on_fit_end(self, run: Run) -> None:
        if self.average:
            run.model.load_state_dict(self.average)
