"""Gradual unfreezing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn.checks import positive_integer
from minidnn.nn import blocks
from minidnn.reuse.freezing import freeze, unfreeze
from minidnn.training.run import Run
from minidnn.training.watching import Watcher


class GradualUnfreezing(Watcher):
    """Trains the top layers first, and thaws those below as the run goes on (Howard & Ruder 2018).

    At the beginning of `fit` all but the top layers are frozen; then, from the top down, so many more are thawed every
    few epochs, or whenever the validation set has seen nothing better for a while. Depth is counted in `nn.blocks`.
    The optimizer holds all of the model's parameters; with ``optim.by_depth`` the lower ones have lower rates::

        optimizer = optim.SGD(optim.by_depth(model, lr=0.05), lr=0.05, momentum=0.9)
        training.fit(..., optimizer=optimizer, callbacks=[reuse.GradualUnfreezing(epochs=2)])

    When the run ends layers stay as they then are. A run that is resumed goes on with what was thawed.

    Args:
        epochs: from one thaw to the next; or None, and patience is given.
        patience: thaw after so many epochs without anything better; each thaw begins a new wait.
        top: how many layers are trained from the beginning.
        layers: how many more are thawed at a time, one or two as a rule.
        keep: how many at the bottom stay frozen to the end.
        monitor: what patience watches: "valid_loss" or "valid_accuracy".
        min_delta: by how much it must be better.

    Attributes:
        trained: how many layers are trained now.
        thaws: the epochs after which some were thawed.

    Raises:
        TypeError, ValueError: an argument out of range; both epochs and patience, or neither; fit without a validation
            set where patience needs one, or with a model that has fewer layers than top + keep.
    """

    def __init__(
        self,
        epochs: int | None = None,
        patience: int | None = None,
        top: int = 1,
        layers: int = 1,
        keep: int = 0,
        monitor: str = "valid_loss",
        min_delta: float = 0.0,
    ) -> None:
        kind = type(self).__name__
        if (epochs is None) == (patience is None):
            raise ValueError(f"{kind}: give either epochs or patience, got epochs={epochs} and patience={patience}")
        super().__init__(monitor, None, 1 if patience is None else patience, min_delta)
        self.epochs = None if epochs is None else positive_integer(kind, "epochs", epochs)
        self.top = positive_integer(kind, "top", top)
        self.layers = positive_integer(kind, "layers", layers)
        self.keep = positive_integer(kind, "keep", keep) if keep != 0 else 0
        self.trained = self.top
        self.thaws: list[int] = []

    def on_fit_begin(self, run: Run) -> None:
        if self.epochs is None:
            super().on_fit_begin(run)
        depth = len(blocks(run.model))
        if depth < self.top + self.keep:
            raise ValueError(
                f"GradualUnfreezing: the model has {depth} layers with kernels, top={self.top} and keep={self.keep} "
                "ask for more"
            )
        self.trained, self.thaws = self.top, []
        freeze(run.model)
        self._thaw(run)

    def on_epoch_end(self, run: Run) -> None:
        if self.epochs is None:
            super().on_epoch_end(run)
        elif run.epoch % self.epochs == 0:
            self._next(run)

    def on_check(self, run: Run, better: bool, waited: int) -> None:
        if waited >= self.patience:
            self._last_good += waited  # wait as long again
            self._next(run)

    def _next(self, run: Run) -> None:
        trained = min(self.trained + self.layers, len(blocks(run.model)) - self.keep)
        if trained > self.trained:
            self.trained = trained
            self.thaws.append(run.epoch)
            self._thaw(run)

    def _thaw(self, run: Run) -> None:
        unfreeze([part for block in blocks(run.model)[-self.trained :] for _, part in block])

    def state_dict(self) -> dict[str, Any]:
        watched = super().state_dict() if self.epochs is None else {}
        return watched | {"trained": self.trained, "thaws": self.thaws}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        if self.epochs is None:
            super().load_state_dict(run, state)
        self.trained, self.thaws = state["trained"], list(state["thaws"])
        self._thaw(run)
