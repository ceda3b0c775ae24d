"""Exercises 1 and 2: may all weights start at the same value, and may all biases start at 0?

Units of a layer that start equal get the same gradient and stay equal: the layer then acts as a single unit.
Biases need no randomness, since the weights differ.

    python examples/chapter/symmetry.py             # or: minidnn reproduce symmetry
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minidnn import cli, nn, optim
from minidnn.lessons.chapter.common import learn, network, over_seeds
from minidnn.study import Study

METHODS: dict[str, dict[str, Any]] = {
    "He, biases 0": {},
    "He, biases random": {"bias_initializer": nn.initializers.uniform(0.1)},
    "all weights 0.03": {"initializer": nn.initializers.constant(0.03)},
    "all weights 0": {"initializer": "zeros"},
}


def distinct(model: nn.Sequential) -> int:
    """The number of distinct units of the first layer."""
    return len(np.unique(model.layers[0].state_dict()["kernel"].T.round(6), axis=0))


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` for fewer updates."""
    at, units = (50, 100) if quick else (100, 300, 1000, 3000), {}

    def one(method: str, seed: int) -> Sequence[float]:
        model = network(seed, activation="elu", **METHODS[method])
        found = learn(model, optim.SGD(model.parameters(), lr=0.02, momentum=0.9), at, seed)
        units[f"distinct units of 100, {method}"] = distinct(model)
        return found

    runs = over_seeds(METHODS, seeds, one, progress)
    return Study("symmetry", "How weights and biases begin", "updates", at, runs, measured=units)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "symmetry", *sys.argv[1:]]))
