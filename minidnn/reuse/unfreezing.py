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
    """Trains the top layers first, and unfreezes lower layers during the run (Howard & Ruder 2018).

    `fit` starts with all but the top layers frozen. From the top down, more layers are unfrozen every ``epochs``
    epochs, or whenever the validation metric has not improved for ``patience`` epochs. Layers are counted in
    `nn.blocks`. The optimizer holds all of the model's parameters; with ``optim.by_depth`` the lower ones have lower
    rates::

        optimizer = optim.SGD(optim.by_depth(model, lr=0.05), lr=0.05, momentum=0.9)
        training.fit(..., optimizer=optimizer, callbacks=[reuse.GradualUnfreezing(epochs=2)])

    Layers stay frozen or unfrozen when the run ends. A resumed run continues with the layers that were unfrozen.

    Args:
        epochs: the number of epochs between two steps; None if patience is given.
        patience: unfreeze after this many epochs without improvement; counting restarts at each step.
        top: the number of layers that are trained from the start.
        layers: the number of layers that are unfrozen per step, usually one or two.
        keep: the number of lowest layers that stay frozen.
        monitor: the metric of patience: "valid_loss" or "valid_accuracy".
        min_delta: the smallest change that counts as an improvement.

    Attributes:
        trained: the number of layers that are trained at present.
        thaws: the epochs after which layers were unfrozen.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range; both or neither of epochs and patience are given; on fit, patience is
            given without a validation set, or the model has fewer layers than top + keep.
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
                "need more"
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
            self._last_good += waited  # restart the count
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
