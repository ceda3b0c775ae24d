"""An epoch of 55,000 shuffled images of MNIST, each framework through its own loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .loops import IMAGES, WORKERS, loop_of, prepare
from .workloads import SMALL, Workload

__all__ = ["CASES", "WORKERS", "build", "disagreement", "prepare"]

TITLE, UNIT = "epoch of 55,000 images, milliseconds", 1e3
DIGITS = 0
CHECK_AFTER = 1


@dataclass(frozen=True)
class Epoch:
    name: str
    workload: Workload


CASES = [Epoch("784-300-50-10, batch 50, momentum", Workload("", SMALL, 50))]


def build(name: str, case: Epoch) -> tuple[Any, Any]:
    """A function that trains for an epoch, and one that gives the accuracy on the first 10,000 images."""
    with np.load(IMAGES) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    loop = loop_of(name, case.workload, images, labels)
    loop.begin()
    return lambda: loop.epoch(None), lambda: [np.asarray(loop.accuracy(images[:10000], labels[:10000]))]


def disagreement(case: Epoch, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    """The orders differ between frameworks, so only the accuracies are compared."""
    return "" if abs(mine[0] - theirs[0]) < 0.02 else f"its accuracy is {theirs[0]:.3f}, minidnn's {mine[0]:.3f}"
