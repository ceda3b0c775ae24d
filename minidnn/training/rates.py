"""Learning rate search: several short runs, or one run with a rising rate."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn import data
from minidnn.checks import positive_integer
from minidnn.data.stacking import as_dataset
from minidnn.data.targets import parts_of
from minidnn.nn import Module, softmax_cross_entropy
from minidnn.nn.temporarily import modes_kept
from minidnn.optim import Optimizer
from minidnn.optim.groups import Rate
from minidnn.random import Generator
from minidnn.training.run import Loss

MakeOptimizer = Callable[[Module, Rate], Optimizer]


@dataclass(frozen=True)
class RangeTest:
    """The result of `lr_range_test`.

    Attributes:
        rates, losses: rate and smoothed loss of each step.
        suggested: a tenth of the rate with the lowest smoothed loss.
    """

    rates: list[float]
    losses: list[float]
    suggested: float

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws the loss over the rate and marks the suggested rate."""
        from minidnn import plot

        return plot.lines(
            {"loss": (self.rates, self.losses)}, path, "learning rate", "loss", log_x=True, mark=self.suggested
        )


@dataclass(frozen=True)
class RateComparison:
    """The result of `compare_rates`.

    Attributes:
        losses: rate -> the smoothed loss of each step; shorter if the run diverged.
        suggested: the rate with the lowest final loss.
    """

    losses: dict[float, list[float]]
    suggested: float

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws all learning curves in one figure."""
        from minidnn import plot

        curves = {f"{rate:g}": (list(range(1, len(losses) + 1)), losses) for rate, losses in self.losses.items()}
        return plot.lines(curves, path, "step", "loss", log_y=True)

    def __str__(self) -> str:
        rows = [f"{rate:<10g}  {_ending(losses)}" for rate, losses in self.losses.items()]
        return "\n".join(["rate        final loss", *rows, f"suggested: {self.suggested:g}"])


def lr_range_test(
    model: Module,
    train: Any,
    *,
    optimizer: MakeOptimizer,
    loss: Loss = softmax_cross_entropy,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 200,
    batch_size: int = 50,
    rng: Generator | None = None,
) -> RangeTest:
    """One run with ``lr(step) = low * (high / low) ** (step / (steps - 1))`` (Smith 2017); restores the model.

    Ends early if the smoothed loss is not finite or exceeds four times its minimum.

    Args:
        train: a data set or a pair of arrays ``(x, y)``.
        optimizer: a function that makes one: ``lambda model, lr: optim.SGD(model.parameters(), lr, momentum=0.9)``.
        steps: at least 10.

    Raises:
        TypeError: optimizer is not such a function.
        ValueError: not 0 < low < high, fewer than 10 steps, or no finite loss at the lowest rate.
    """
    if not 0 < low < high < math.inf:
        raise ValueError(f"lr_range_test: low and high must be 0 < low < high, got {low} and {high}")
    if positive_integer("lr_range_test", "steps", steps) < 10:
        raise ValueError(f"lr_range_test: steps must be at least 10, got {steps}")
    ratio = (high / low) ** (1 / (steps - 1))
    losses = _short_run(
        model,
        train,
        _made("lr_range_test", optimizer, model, lambda step: low * ratio**step),
        loss,
        steps,
        batch_size,
        rng,
        4.0,
    )
    if not losses:
        raise ValueError(f"lr_range_test: the loss is not finite even at the lowest rate, {low}")
    rates = [low * ratio**step for step in range(len(losses))]
    return RangeTest(rates, losses, rates[int(np.argmin(losses))] / 10)


def compare_rates(
    model: Module,
    train: Any,
    rates: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0),
    *,
    optimizer: MakeOptimizer,
    loss: Loss = softmax_cross_entropy,
    steps: int = 300,
    batch_size: int = 50,
    seed: int = 0,
) -> RateComparison:
    """One short run per rate, each from the same weights and in the same order of examples; restores the model.

    The chapter's advice: a rate that is much too high diverges, one slightly too high learns fast at first but ends at
    a high loss, one too low learns slowly. A run that diverges is a result, not an error.

    Args:
        train, optimizer: as for `lr_range_test`.
        steps: steps of each run.
        seed: of the order of examples.

    Raises:
        TypeError: optimizer is not a function that makes one.
        ValueError: no rates, or all of them diverge.
    """
    if not rates:
        raise ValueError("compare_rates: rates is empty")
    runs: dict[float, list[float]] = {}
    for rate in rates:
        order = Generator(seed)
        made = _made("compare_rates", optimizer, model, rate)
        runs[rate] = _short_run(model, train, made, loss, steps, batch_size, order, give_up=math.inf)
    endings = {rate: losses[-1] for rate, losses in runs.items() if len(losses) == steps}
    if not endings:
        raise ValueError("compare_rates: every rate diverged; try lower ones")
    return RateComparison(runs, min(endings, key=lambda rate: endings[rate]))


def _made(owner: str, optimizer: Any, model: Module, lr: Rate) -> Optimizer:
    """The optimizer that the user's function makes."""
    given = f"{owner}: optimizer is {optimizer!r}"
    wanted = "a function that makes one, such as lambda model, lr: optim.SGD(model.parameters(), lr)"
    if isinstance(optimizer, type) or not callable(optimizer):
        raise TypeError(f"{given}, must be {wanted}, since each rate has one of its own")
    made = optimizer(model, lr)
    if not isinstance(made, Optimizer):
        raise TypeError(f"{given}, which gave a {type(made).__name__}; must be {wanted}")
    return made


def _short_run(
    model: Module,
    train: Any,
    optimizer: Optimizer,
    loss: Loss,
    steps: int,
    batch_size: int,
    rng: Generator | None,
    give_up: float,
) -> list[float]:
    """Smoothed losses, until one is not finite or exceeds give_up times the minimum; restores the model's state."""
    train = as_dataset("lr_range_test", train)
    before = model.state_dict()
    epochs = (data.batches(train, batch_size, rng) for _ in itertools.count())
    losses: list[float] = []
    mean = 0.0
    with modes_kept(model):
        model.train()
        try:
            for step, (x, y) in enumerate(itertools.islice(itertools.chain.from_iterable(epochs), steps), start=1):
                value = loss(model(*parts_of(x)), y)
                mean = 0.95 * mean + 0.05 * value.item()
                smoothed = mean / (1 - 0.95**step)
                if not math.isfinite(smoothed) or (losses and smoothed > give_up * min(losses)):
                    break
                losses.append(smoothed)
                optimizer.zero_grad()
                (value + model.regularization_loss()).backward()
                try:
                    optimizer.step()
                except FloatingPointError:  # a gradient is not finite: the rate is too high
                    break
        finally:
            model.load_state_dict(before)
    return losses


def _ending(losses: list[float]) -> str:
    return f"{losses[-1]:.4f} after {len(losses)} steps" if losses else "not finite from the start"
