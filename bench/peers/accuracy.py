"""From the first step to 98 % accuracy on MNIST's test images, with the recipe of `minidnn train`.

Each framework runs its own loop: momentum 0.9, the rate falling exponentially from 0.1 to a tenth in 10,000 steps,
batches of 50 from 55,000 shuffled images; after each epoch it classifies the 10,000 test images. All frameworks start
with the same parameters and see the images in the same orders, those of `training.fit` with the seeds 0, 1 and 2 in
turn, so their numbers of epochs differ only by rounding. Only the time of `fit` includes the computation of the orders.
Compilation is not timed: it happens in the first run.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np

from .epochs import Epoch
from .loops import EPOCHS, IMAGES, SEEDS, WORKERS, loop_of, prepare
from .workloads import SMALL, Workload

__all__ = ["CASES", "WORKERS", "build", "disagreement", "prepare"]

TITLE, UNIT = "from the first step to 98 % of the test images, seconds", 1.0
DIGITS = 2
CHECK_AFTER = 1
GOAL = 0.98

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
            if reached[0] >= GOAL:
                return
        raise RuntimeError(f"the test accuracy is {reached[0]:.4f} after {EPOCHS} epochs, below {GOAL}")

    return run, lambda: [np.asarray(reached[0])]


def disagreement(case: Epoch, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    return "" if theirs[0] >= GOAL else f"its accuracy is {theirs[0]:.4f}"
