"""Search for the number of layers to reuse, and how many of them to train."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from minidnn.checks import positive_integer
from minidnn.columns import columns
from minidnn.data import ArrayDataset
from minidnn.models.registry import build, describe
from minidnn.nn import Dense, Module, Sequential, blocks, softmax_cross_entropy
from minidnn.optim import Optimizer
from minidnn.random import Generator, default_generator
from minidnn.reuse.caching import cache_frozen
from minidnn.reuse.copying import copied
from minidnn.reuse.freezing import freeze, unfreeze
from minidnn.study import uninterrupted
from minidnn.training.fit import fit
from minidnn.training.history import History
from minidnn.training.run import Loss


@dataclass(frozen=True)
class DepthTrial:
    """One tested combination.

    Attributes:
        reused: the number of lower layers that were copied; those above are new.
        thawed: how many of the copied layers, the upper ones, were trained; the others stayed frozen.
        accuracies: the validation accuracy of the best epoch, one per seed.
        seconds: the training time, the median over the seeds.
    """

    reused: int
    thawed: int
    accuracies: Sequence[float]
    seconds: float

    @property
    def accuracy(self) -> float:
        """The median accuracy over the seeds."""
        return median(self.accuracies)


@dataclass(frozen=True)
class DepthSearch:
    """The result of `search_depth`.

    Attributes:
        trials: every combination.
        best: the trial with the highest accuracy; of equal ones that with the most frozen layers.
    """

    trials: Sequence[DepthTrial]

    @property
    def best(self) -> DepthTrial:
        return max(self.trials, key=lambda trial: (trial.accuracy, trial.reused - trial.thawed))

    def table(self) -> str:
        """A table with one line per trial; the best is marked."""
        rows: list[Sequence[str]] = [("reused", "thawed", "accuracy", "lowest", "highest", "seconds", "")]
        for trial in self.trials:
            spread = (f"{a:.4f}" for a in (trial.accuracy, min(trial.accuracies), max(trial.accuracies)))
            mark = "best" if trial is self.best else ""
            rows.append((str(trial.reused), str(trial.thawed), *spread, f"{trial.seconds:.2f}", mark))
        return columns(rows, left=(6,))

    __str__ = table

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws the accuracies over both depths; see `minidnn.plot.grid`."""
        from minidnn import plot

        cells = {(trial.reused, trial.thawed): trial.accuracy for trial in self.trials}
        return plot.grid(cells, path, "layers reused", "of these trained", "validation accuracy")


def search_depth(
    model: Sequential,
    train: ArrayDataset,
    valid: ArrayDataset,
    *,
    optimizer: Callable[[Module], Optimizer],
    epochs: int,
    batch_size: int,
    outputs: int | None = None,
    reuse: Iterable[int] | None = None,
    thaw: Iterable[int] | None = None,
    seeds: Sequence[int] = (0,),
    loss: Loss = softmax_cross_entropy,
) -> DepthSearch:
    """Tests how many lower layers of a model to reuse for a new task, and how many of these to train further.

    Layers are counted in `nn.blocks`. Layers that are not reused are created anew with the same configuration. Frozen
    layers run over the data once (`cache_frozen`). The model and the default generator are not changed.

    ::

        search = reuse.search_depth(digits, train, valid, outputs=26, epochs=20, batch_size=20,
                                    optimizer=lambda model: optim.Adam(model.parameters()))
        print(search); search.plot("depth.png"); search.best

    Args:
        model: trained on another task.
        train, valid: the data of the new task.
        optimizer: returns an optimizer for a model.
        outputs: the number of classes of the new task, if it differs: the last layer with a kernel, which must be an
            `nn.Dense`, gets this width.
        reuse: the numbers of reused layers to test; by default from 0 to all but the top one.
        thaw: the numbers of reused layers to train; by default all numbers.
        seeds: each combination runs once per seed, which determines new weights, orders and masks.

    Raises:
        TypeError: model is not a Sequential; an argument of another type.
        ValueError: a number of layers is out of range; there is nothing to test or no seed; a layer cannot be created
            anew, because its activation is a function.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"search_depth: model must be a Sequential, got {type(model).__name__}")
    depth = len(blocks(model))
    reused = _numbers("reuse", reuse, depth - 1)
    thawed = _numbers("thaw", thaw, depth - 1)
    pairs = [(r, t) for r in reused for t in thawed if t <= r]
    if not pairs or not seeds:
        raise ValueError("search_depth: nothing to try: no seeds, or more layers to thaw than to reuse")
    generator, trials = default_generator(), []
    before = generator.get_state()
    try:
        for r, t in pairs:
            accuracies, seconds = [], []
            for seed in seeds:
                generator.set_state(Generator(seed).get_state())
                candidate = _candidate(model, r, t, outputs)
                rows = _trained(candidate, r > t, train, valid, optimizer, epochs, batch_size, loss).rows
                accuracies.append(max(row["valid_accuracy"] for row in rows))
                seconds.append(sum(row["seconds"] for row in rows))
            trials.append(DepthTrial(r, t, accuracies, median(seconds)))
    finally:
        generator.set_state(before)
    return DepthSearch(trials)


def _numbers(argument: str, chosen: Iterable[int] | None, most: int) -> list[int]:
    numbers = list(range(most + 1)) if chosen is None else list(chosen)
    for number in numbers:
        if number != 0:
            positive_integer("search_depth", argument, number)
        if number > most:
            raise ValueError(f"search_depth: {argument} has {number}, the model has {most} layers below its top one")
    return numbers


def _candidate(model: Sequential, reused: int, thawed: int, outputs: int | None) -> Sequential:
    """Copies of the ``reused`` lower layers, all but the upper ``thawed`` frozen, and new layers above."""
    depth = blocks(model)
    lower = [part for block in depth[:reused] for _, part in block]
    upper = [part for block in depth[reused:] for _, part in block]
    descriptions = [describe(part, f"layer {part.label}") for part in upper]
    if outputs is not None:
        top = max((place for place, part in enumerate(upper) if isinstance(part, Dense)), default=-1)
        if top < 0 or any(param.ndim >= 2 for part in upper[top + 1 :] for param in part.parameters()):
            raise ValueError(f"search_depth: outputs={outputs} needs an nn.Dense at the top of the model")
        descriptions[top]["n_out"] = positive_integer("search_depth", "outputs", outputs)
    candidate = Sequential(*copied(lower), *map(build, descriptions), name=model.name)
    unfreeze(candidate)
    if reused > thawed:
        freeze([part for block in blocks(candidate)[: reused - thawed] for _, part in block])
    return candidate


def _trained(
    candidate: Sequential,
    cached: bool,
    train: ArrayDataset,
    valid: ArrayDataset,
    optimizer: Callable[[Module], Optimizer],
    epochs: int,
    batch_size: int,
    loss: Loss,
) -> History:
    options: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "loss": loss, "progress": False}
    made = optimizer(candidate)  # for the whole model: `optim.by_depth` also counts frozen layers
    if cached:
        train, valid = cache_frozen(candidate, train), cache_frozen(candidate, valid)
        candidate = train.top
    return uninterrupted(fit(candidate, train, valid=valid, optimizer=made, **options))
