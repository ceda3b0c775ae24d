"""Adagrad often stops too early on neural networks: its rate falls with every step and never rises again.

The rate of a weight is lr / sqrt(sum of its squared gradients so far). The lesson also measures the median of this rate
over the weights of the first layer, as a share of its value after the first 100 updates.

    python examples/chapter/adagrad.py             # or: minidnn reproduce adagrad
"""

import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from minidnn import cli, optim
from minidnn.lessons.chapter.common import learn, network, over_seeds
from minidnn.study import Study

METHODS: dict[str, Callable[..., optim.Optimizer]] = {
    "RMSprop": lambda p: optim.RMSprop(p, 0.001),
    "Adagrad": lambda p: optim.Adagrad(p, 0.01),
    "Adagrad, 10 times the rate": lambda p: optim.Adagrad(p, 0.1),
    "Adam": lambda p: optim.Adam(p, 0.001),
}


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` for fewer updates."""
    at, shares = (100, 200) if quick else (100, 300, 1000, 3000, 10_000), {}

    def one(method: str, seed: int) -> Sequence[float]:
        model = network(seed, (100, 50))
        optimizer = METHODS[method](model.parameters())
        found = learn(model, optimizer, at[:1], seed)
        first = _rate(optimizer)
        found += learn(model, optimizer, [updates - at[0] for updates in at[1:]], seed + 1000)
        if first:
            shares[f"{method}: rate after {at[-1]:,} updates, as a share of that after {at[0]}"] = (
                _rate(optimizer) / first
            )
        return found

    runs = over_seeds(METHODS, seeds, one, progress)
    return Study("adagrad", "Adagrad's rate falls", "updates", at, runs, measured=shares, bottom=None if quick else 0.9)


def _rate(optimizer: optim.Optimizer) -> float:
    """The median of 1 / sqrt(accumulator) over weights that have had a gradient, for Adagrad; 0 for the others."""
    slots = optimizer.tracks()[0].slots
    if "accumulator" not in slots:
        return 0.0
    sums = slots["accumulator"]
    return float(np.median(1 / np.sqrt(sums[sums > sums.min()])))


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "adagrad", *sys.argv[1:]]))
