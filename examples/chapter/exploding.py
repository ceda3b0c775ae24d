"""Max-norm can alleviate vanishing and exploding gradients, where batch normalization is not used.

A network of 5 layers with and without max-norm, at rates up to much too large ones.

    python examples/chapter/exploding.py             # or: minidnn reproduce exploding
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from minidnn import cli, nn, optim
from minidnn.lessons.chapter.common import learn, network, over_seeds
from minidnn.study import Study

METHODS: dict[str, dict[str, Any]] = {
    "without": {},
    "max-norm 1": {"kernel_constraint": nn.max_norm(1.0)},
    "max-norm 2": {"kernel_constraint": nn.max_norm(2.0)},
    "max-norm 4": {"kernel_constraint": nn.max_norm(4.0)},
}


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` for fewer updates and rates."""
    rates, updates = ((0.1, 1.0), 100) if quick else ((0.03, 0.1, 0.15, 0.2, 0.3), 1500)

    def one(method: str, seed: int) -> Sequence[float]:
        found = []
        for rate in rates:
            model = network(seed, (100,) * 5, "elu", **METHODS[method])
            found += learn(model, optim.SGD(model.parameters(), lr=rate), (updates,), seed)
        return found

    runs = over_seeds(METHODS, seeds, one, progress)
    return Study("exploding", f"Max-norm at large rates, {updates} updates", "rate", rates, runs)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "exploding", *sys.argv[1:]]))
