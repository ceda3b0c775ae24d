"""Pruning during training, and training of a pruned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn.checks import number, positive_integer
from minidnn.nn import masked
from minidnn.nn.sparsity import Scope, check_fraction, check_scope, keep_largest, magnitudes, prunable
from minidnn.optim.groups import Track
from minidnn.reference.types import Array
from minidnn.schedules import Schedule, constant
from minidnn.tensor import Tensor
from minidnn.training.run import Callback, Run
from minidnn.training.state import ResumeError


@dataclass(frozen=True)
class cubic_sparsity:
    """``fraction(step) = final + (initial - final) * (1 - (step - begin) / steps) ** 3``.

    It is 0 before ``begin`` and ``final`` after ``begin + steps``. Pruning is fast at first, when many weights are
    redundant, and slows down towards the end (Zhu & Gupta 2017).

    Args:
        final, initial: fractions in [0, 1].
        steps: number of steps from begin to the final fraction, at least 1.
        begin: the step at which pruning begins.

    Raises:
        TypeError, ValueError: an argument out of range.
    """

    final: float
    steps: int
    begin: int = 0
    initial: float = 0.0

    def __post_init__(self) -> None:
        check_fraction("cubic_sparsity", self.final)
        check_fraction("cubic_sparsity", self.initial)
        positive_integer("cubic_sparsity", "steps", self.steps)
        number("cubic_sparsity", "begin", self.begin)

    def __call__(self, step: int) -> float:
        if step < self.begin:
            return 0.0
        t = min((step - self.begin) / self.steps, 1.0)
        return self.final + (self.initial - self.final) * (1 - t) ** 3


class KeepZeros(Callback):
    """Weights that are zero when `fit` begins stay zero: retraining after pruning (Han et al. 2015).

    ::

        deploy.prune(model, fraction=0.9)
        training.fit(model, train, optimizer=optimizer, epochs=2, batch_size=50, callbacks=[training.KeepZeros()])

    The optimizer's step applies the mask by `nn.masked`, before and after the parameter's own constraint.
    List it after callbacks that change the weights at the end of the run (`AverageWeights`, `EarlyStopping`): it
    applies the mask once more after them. Each row of the history has ``density``, the share of weights that remain.

    Args:
        layers: as for `deploy.prune`; None: all kernels.

    Raises:
        TypeError, ValueError: at the start of fit: an unknown layer, nothing to prune, or a parameter that another
            callback of this kind masks.
        ResumeError: the checkpoint has masks of other parameters.
    """

    def __init__(self, layers: Sequence[str] | None = None) -> None:
        self.layers = layers
        self._parameters: dict[str, Tensor] = {}
        self._masks: dict[str, masked] = {}
        self._tracks: list[Track] = []

    def on_fit_begin(self, run: Run) -> None:
        self._parameters = prunable(type(self).__name__, run.model, self.layers)
        self._refuse_others(run)
        kept = self._begin()
        tracks = {id(track.param): track for track in run.optimizer.tracks()}
        found = {path: tracks.get(id(param)) for path, param in self._parameters.items()}
        self._masks = {path: masked(mask) for path, mask in kept.items()}
        self._tracks = [track for track in found.values() if track is not None]
        for path, track in found.items():
            if track is not None:
                self._masks[path].then, track.constraint = track.constraint, self._masks[path]
        self._apply()

    def columns(self, run: Run) -> list[str]:
        return ["density"]

    def on_epoch_end(self, run: Run) -> None:
        masks = [held.mask for held in self._masks.values()]
        run.row["density"] = sum(map(np.count_nonzero, masks)) / sum(mask.size for mask in masks)

    def on_fit_end(self, run: Run) -> None:
        self._apply()
        for track in self._tracks:
            if isinstance(track.constraint, masked):
                track.constraint = track.constraint.then

    def state_dict(self) -> dict[str, Any]:
        return {f"mask.{path}": held.mask != 0 for path, held in self._masks.items()}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        masks = {key[5:]: value for key, value in state.items() if key.startswith("mask.")}
        if masks.keys() != self._masks.keys():
            name = type(self).__name__
            raise ResumeError(f"resume: {name} had masks of {', '.join(masks)}, now of {', '.join(self._masks)}")
        for path, held in self._masks.items():
            held.mask[...] = masks[path]

    def _begin(self) -> dict[str, Array]:
        """The initial masks."""
        return {path: param.data != 0 for path, param in self._parameters.items()}

    def _apply(self) -> None:
        for path, param in self._parameters.items():
            param.data[self._masks[path].mask == 0] = 0
            param.version += 1

    def _refuse_others(self, run: Run) -> None:
        for other in run.callbacks:
            if isinstance(other, KeepZeros) and other is not self:
                theirs = prunable(type(other).__name__, run.model, other.layers)
                if shared := [path for path in self._parameters if path in theirs]:
                    names = f"{type(self).__name__} and {type(other).__name__}"
                    raise ValueError(f"{names} both mask {shared[0]}; give them different layers")


class Prune(KeepZeros):
    """Prunes gradually during training: the smallest weights become zero and stay zero (Zhu & Gupta 2017).

    ::

        sparsity = training.cubic_sparsity(0.9, steps=5000, begin=1000)
        training.fit(model, train, optimizer=optimizer, epochs=10, batch_size=50, callbacks=[training.Prune(sparsity)])

    A pruned weight stays zero with every optimizer; see `KeepZeros` for the method and the order of callbacks. An
    `EarlyStopping` in the same run may restore weights from before the pruning; use it in a second run, with
    `KeepZeros`.

    Args:
        schedule: step -> fraction of zeros, such as `cubic_sparsity`; a number prunes once, before the first step.
        every: steps between prunings; a fraction that the next step keeps is applied at once.
        scope, layers: as for `deploy.prune`.

    Attributes:
        fraction: the fraction of zeros so far.

    Raises:
        TypeError, ValueError: as `KeepZeros`; every below 1, an unknown scope; during fit: a fraction outside [0, 1], a
            weight that is NaN.
    """

    def __init__(
        self,
        schedule: Schedule | float,
        every: int = 100,
        scope: Scope = "layer",
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__(layers)
        self.schedule = schedule if callable(schedule) else constant(check_fraction("Prune", schedule))
        self.every = positive_integer("Prune", "every", every)
        check_scope("Prune", scope)
        self.scope = scope
        self.fraction = 0.0

    def on_fit_begin(self, run: Run) -> None:
        self.fraction = 0.0
        super().on_fit_begin(run)

    def on_step_end(self, run: Run) -> None:
        fraction = check_fraction("Prune", self.schedule(run.step))
        due = run.step % self.every == 0 or fraction == self.schedule(run.step + 1)
        if due and fraction > self.fraction:
            for path, kept in self._smaller(fraction).items():
                self._masks[path].mask[...] = kept  # in place: a captured step reads this array
            self._apply()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"fraction": self.fraction}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        super().load_state_dict(run, state)
        self.fraction = float(state["fraction"])

    def _begin(self) -> dict[str, Array]:
        self._masks = {}
        return self._smaller(check_fraction("Prune", self.schedule(0)))

    def _smaller(self, fraction: float) -> dict[str, Array]:
        """Masks with this fraction of zeros, including all zeros of the current masks."""
        values = magnitudes("Prune", self._parameters)
        for path, held in self._masks.items():
            values[path][held.mask == 0] = -1  # smaller than a remaining weight that is 0
        self.fraction = fraction
        return keep_largest(values, fraction, self.scope)
