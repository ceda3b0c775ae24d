"""Exercise 3: what are the advantages of ELU over ReLU?

Its outputs can be negative, so the mean of a layer is nearer to 0; and its gradient is nowhere 0, so no unit dies. A
unit counts as dead if it gives 0 for each of 2,000 digits, and so has no gradient for any of them.

    python examples/chapter/elu.py             # or: minidnn reproduce elu
"""

import sys
from collections.abc import Iterable, Sequence
from statistics import mean

import numpy as np

from minidnn import cli, nn, optim
from minidnn.lessons.chapter.common import learn, logits, mnist, network, over_seeds
from minidnn.study import Study

ACTIVATIONS = ("relu", "elu", "leaky_relu")
HIDDEN = (100,) * 5


def signals(model: nn.Sequential) -> tuple[float, float]:
    """The mean over all hidden outputs for 2,000 digits, and the share of units whose gradient is 0 for all of them."""
    x, means, dead = mnist().valid.images[:2000], [], []
    for layer in model.layers[:-1]:
        x = logits(layer, x)
        means.append(float(x.mean()))
        dead.append(float((np.abs(x).max(axis=0) == 0).mean()))
    return mean(means), mean(dead)


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed, at rates from small to too large; ``quick`` for fewer updates and rates."""
    rates, updates = ((0.01, 0.1), 100) if quick else ((0.01, 0.03, 0.1, 0.2, 0.3), 2000)
    measured: dict[str, float] = {}
    found: dict[tuple[str, float], list[tuple[float, float]]] = {}

    def one(activation: str, seed: int) -> Sequence[float]:
        accuracies = []
        for rate in rates:
            model = network(seed, HIDDEN, activation)
            accuracies += learn(model, optim.SGD(model.parameters(), lr=rate, momentum=0.5), (updates,), seed)
            found.setdefault((activation, rate), []).append(signals(model))
        return accuracies

    runs = over_seeds(ACTIVATIONS, seeds, one, progress)
    for (activation, rate), pairs in found.items():
        alive = [pair for pair in pairs if np.isfinite(pair[0])]
        if alive:
            measured[f"{activation}, rate {rate}: mean output"] = mean(pair[0] for pair in alive)
            measured[f"{activation}, rate {rate}: share of dead units"] = mean(pair[1] for pair in alive)
        measured[f"{activation}, rate {rate}: diverged runs"] = len(pairs) - len(alive)
    return Study("elu", f"ELU and ReLU, {len(HIDDEN)} layers, {updates} updates", "rate", rates, runs, measured)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "elu", *sys.argv[1:]]))
