"""Parts of a data set, each with the same share of every class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from minidnn.data.datasets import Dataset, Subset
from minidnn.data.targets import are_classes
from minidnn.data.types import Indices
from minidnn.random import Generator, default_generator


def split(
    dataset: Dataset, sizes: Sequence[float], *, stratify: bool | None = None, rng: Generator | None = None
) -> tuple[Subset, ...]:
    """Splits a data set into random parts without overlap; no example is copied.

    train, valid, test = data.split(dataset, [0.8, 0.1, 0.1])

    Args:
        sizes: shares that add up to 1, or numbers of examples (integers) that add up to len(dataset) at most.
        stratify: draw each part so that it has its share of each class: a first part of m of the n examples has
            floor(m c / n) or ceil(m c / n) of a class of c, and each further part its share of what is left. An example
            is as likely as any other to be in a part. None: where targets are class numbers, one for each example.
        rng: two draws of it decide; the default generator where it is None.

    Raises:
        TypeError: sizes are not numbers.
        ValueError: a size below 0, sizes that add up to too much or too little, stratify=True without class numbers.
    """
    n = len(dataset)
    counts = _counts(n, sizes)
    if stratify is None:
        stratify = are_classes(dataset.y)
    elif stratify and not are_classes(dataset.y):
        raise ValueError("split: stratify=True needs class numbers (n,) as targets; give stratify=False")
    rng = rng or default_generator()
    order, start = rng.permutation(n), int(rng.bits(1)[0])
    if stratify:
        order = order[np.argsort(dataset.y[order], kind="stable")]
    parts = []
    for count in counts:
        taken = _spread(count, dataset.y[order], start) if stratify else np.arange(len(order)) < count
        parts.append(Subset(dataset, np.sort(order[taken])))
        order = order[~taken]
    return tuple(parts)


def _counts(n: int, sizes: Sequence[float]) -> list[int]:
    if any(isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating)) for size in sizes):
        raise TypeError(f"split: sizes must be numbers, got {sizes}")
    if not len(sizes) or not all(size >= 0 for size in sizes):
        raise ValueError(f"split: sizes must be at least 0, got {sizes}")
    if all(isinstance(size, (int, np.integer)) for size in sizes):
        if sum(sizes) > n:
            raise ValueError(f"split: sizes {sizes} add up to {sum(sizes)}, there are {n} examples")
        return [int(size) for size in sizes]
    if not math.isclose(math.fsum(sizes), 1.0, abs_tol=1e-9):
        raise ValueError(f"split: sizes {sizes} add up to {math.fsum(sizes)}, must be 1")
    ends = [round(n * math.fsum(sizes[:i])) for i in range(len(sizes) + 1)]
    return [end - start for start, end in pairwise(ends)]


def _spread(count: int, y: Indices, start: int) -> npt.NDArray[np.bool_]:
    """Which of the examples, sorted by class, to take: count of them, of each class the same share.

    Systematic sampling: of the first e of n examples, floor(e * count / n + start / 2**32) are taken, so that between
    the ends of a class the number is its share, rounded up or down, and no rounding adds up.
    """
    n = len(y)
    ends = [*(np.flatnonzero(np.diff(y)) + 1).tolist(), n] if n else []
    taken = np.zeros(n, np.bool_)
    before = done = 0
    for end in ends:
        upto = (end * count + (n * start >> 32)) // n
        taken[before : before + upto - done] = True
        before, done = end, upto
    return taken
