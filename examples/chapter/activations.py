"""Exercise 4: which activation where? This lesson tries those of hidden layers, at three depths.

Every activation gets the initializer derived for its kind, and the best of three rates on the validation set.

    python examples/chapter/activations.py             # or: minidnn reproduce activations
"""

import sys
from collections.abc import Iterable, Sequence

from minidnn import cli, optim
from minidnn.activations import ACTIVATIONS
from minidnn.lessons.chapter.common import accuracy, learn, mnist, network, over_seeds
from minidnn.study import Study

SATURATING = ("tanh", "sigmoid", "softplus")
METHODS = ("elu", *(name for name in ACTIVATIONS if name != "elu"))


def initializer(activation: str) -> str:
    """He for activations linear on one side, LeCun for SELU, Glorot for saturating ones."""
    if activation == "selu":
        return "lecun_normal"
    return "glorot_normal" if activation in SATURATING else "he_normal"


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` for fewer updates and one rate."""
    depths, rates, updates = ((1, 5), (0.03,), 100) if quick else ((1, 5, 10), (0.01, 0.03, 0.1), 1500)
    valid = mnist().valid

    def one(activation: str, seed: int) -> Sequence[float]:
        best = []
        for depth in depths:
            tried = []
            for rate in rates:
                model = network(seed, (50,) * depth, activation, initializer(activation))
                optimizer = optim.SGD(model.parameters(), lr=rate, momentum=0.9)
                (test,) = learn(model, optimizer, (updates,), seed)
                tried.append((accuracy(model, valid.images, valid.labels), test))
            best.append(max(tried)[1])
        return best

    runs = over_seeds(METHODS, seeds, one, progress)
    title, bottom = f"Hidden activations, {updates} updates", None if quick else 0.93
    return Study("activations", title, "hidden layers", depths, runs, bottom=bottom)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "activations", *sys.argv[1:]]))
