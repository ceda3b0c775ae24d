"""Exercise 6: three ways to a sparse network.

Train, then zero the small weights; strong l1 during training; dual averaging (here FTRL with l1, in the second half of
the updates). The lesson measures the test accuracy after all but the largest weights of each hidden layer have been set
to zero, and how many were 0 before that. ``minidnn reproduce sparse`` adds pruning during training.

    python examples/chapter/zeros.py             # or: minidnn reproduce zeros
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minidnn import cli, deploy, nn, optim
from minidnn.lessons.chapter.common import accuracy, learn, network, over_seeds
from minidnn.study import Study

KEPT = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02)
SMALL = 1e-4
METHODS: dict[str, tuple[float, Callable[..., optim.Optimizer]]] = {
    "train, then zero": (0.0, lambda p: optim.Adam(p, 0.001)),
    "strong l1": (3e-5, lambda p: optim.Adam(p, 0.001)),
    "FTRL with l1": (0.0, lambda p: optim.Adam(p, 0.001)),
}


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` for fewer updates."""
    updates, zeros = 200 if quick else 5500, {}

    def one(method: str, seed: int) -> Sequence[float]:
        l1, make = METHODS[method]
        model = network(seed, (300, 100), "relu", kernel_regularizer=nn.l1(l1) if l1 else None)
        ftrl = method.startswith("FTRL")
        learn(model, make(model.parameters()), (updates // 2 if ftrl else updates,), seed)
        if ftrl:  # the second half continues from the trained weights
            _averaged(model, updates // 2, seed)
        weights = np.concatenate([layer.state_dict()["kernel"].ravel() for layer in model.layers[:-1]])
        zeros[f"share of hidden weights that are exactly 0: {method}"] = float((weights == 0).mean())
        zeros[f"share below {SMALL}: {method}"] = float((np.abs(weights) < SMALL).mean())
        found = []
        for kept in KEPT:
            if kept < 1:
                deploy.prune(model, fraction=1 - kept, layers=["hidden1", "hidden2"])
            found.append(accuracy(model))
        return found

    runs = over_seeds(METHODS, seeds, one, progress)
    bottom = None if quick else 0.8
    return Study("zeros", "Three ways to zeros", "share of weights kept", KEPT, runs, measured=zeros, bottom=bottom)


def _averaged(model: nn.Sequential, updates: int, seed: int) -> None:
    hidden = [layer.get_parameter("kernel") for layer in model.layers[:-1]]
    others = [parameter for parameter in model.parameters() if all(parameter is not kernel for kernel in hidden)]
    groups: list[dict[str, Any]] = [{"params": hidden}, {"params": others, "l1": 0.0}]
    optimizer = optim.FTRL(groups, lr=0.1, l1=1.2, initial_accumulator=1.0)
    optimizer.warm_start()
    learn(model, optimizer, (updates,), seed + 1000)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "zeros", *sys.argv[1:]]))
