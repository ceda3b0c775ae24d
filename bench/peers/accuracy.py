"""From the first step to 98 % of MNIST's test images right: what `minidnn train` trains, in each framework's loop.

Momentum 0.9, the rate falling exponentially from 0.1 by 1/10 every 10,000 steps, batches of 50 of 55,000 shuffled
images; after each epoch the 10,000 test images are classified. Every framework begins with the same parameters and
takes the images in the same orders, those of `training.fit` with seeds 0, 1 and 2 in turn, so that all need the same
number of epochs but for rounding. Only `fit` computes its orders within the time. Compilation is not timed: it happens
in the first run.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np

from .epochs import Epoch
from .loops import EPOCHS, IMAGES, SEEDS, WORKERS, loop_of, prepare
from .workloads import SMALL, Workload

__all__ = ["CASES", "WORKERS", "apart", "build", "prepare"]

TITLE, UNIT = "from the first step to 98 % of the test images, seconds", 1.0
DIGITS = 2
PROOF = 1
WANTED = 0.98

CASES = [Epoch("784-300-50-10, batch 50, as minidnn train", Workload("", SMALL, 50, rate=0.1, decay_steps=10_000))]


def build(name: str, case: Epoch) -> tuple[Any, Any]:
    """A function that trains until the accuracy is reached, and one that gives the accuracy."""
    with np.load(IMAGES) as arrays:
        images, labels = arrays["images"], arrays["labels"]
        test, answers = arrays["test_images"], arrays["test_labels"]
    loop, reached, seeds = loop_of(name, case.workload, images, labels), [0.0], cycle(range(SEEDS))

    def run() -> None:
        loop.begin()
        first = EPOCHS * next(seeds)
        for order in range(first, first + EPOCHS):
            loop.epoch(order)
            reached[0] = loop.accuracy(test, answers)
            if reached[0] >= WANTED:
                return
        raise RuntimeError(f"{reached[0]:.4f} of the test images after {EPOCHS} epochs")

    return run, lambda: [np.asarray(reached[0])]


def apart(case: Epoch, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    return "" if theirs[0] >= WANTED else f"its accuracy is {theirs[0]:.4f}"
