"""Data sets of auxiliary tasks, made from other data sets.

Each is a `minidnn.data.ArrayDataset`. Its method ``fresh``, passed to ``training.fit(augment=...)``, draws new examples
in every epoch. The draw depends only on the seed, the epoch and the example.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn.checks import positive_integer
from minidnn.data import ArrayDataset
from minidnn.data.types import Augmentation, Indices, Key
from minidnn.pipeline import example_bits, gather
from minidnn.random import Generator, default_generator
from minidnn.reference.types import Words

PLACE = 120  # offset of the random words; see minidnn.data.corrupt


class SameOrDifferent(ArrayDataset):
    """Pairs of examples of the same class (label 1) and of different classes (label 0), in turn; x is (pairs, 2, ...).

    The first example of a pair is drawn from all examples, the second from the others of its class or from the
    examples of the other classes.

    Args:
        dataset: labelled examples, at least two of each class.
        pairs: the number of pairs.
        rng: the generator of the key of the draws; None: the default generator.

    Raises:
        TypeError, ValueError: pairs is not a positive integer; there are fewer than two classes, or a class has one
            example.
    """

    def __init__(self, dataset: ArrayDataset, pairs: int, rng: Generator | None = None) -> None:
        pairs = positive_integer("SameOrDifferent", "pairs", pairs)
        counts = np.bincount(dataset.y)
        if np.count_nonzero(counts) < 2 or (counts == 1).any():
            raise ValueError(
                "SameOrDifferent: dataset must have at least two classes and two examples of each, got "
                f"{dict(enumerate(counts.tolist()))}"
            )
        self.dataset = dataset
        self._order = np.argsort(dataset.y, kind="stable")  # class by class
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        numbers = np.arange(pairs)
        chosen = self._choose(numbers, (rng or default_generator()).next_key())
        super().__init__(dataset.x[chosen], (numbers + 1) % 2, keep_axes=True)

    def _choose(self, examples: Indices, key: Key) -> Indices:
        """The indices of the examples in these pairs, (n, 2); pairs with an even number are of the same class."""
        n, bits = len(self._order), example_bits(examples, 2, key, PLACE)
        first = _below(np.full(len(examples), n), bits[:, 0])  # places in the order
        label = self.dataset.y[self._order[first]]
        start, size = self._starts[label], self._ends[label] - self._starts[label]
        same = examples % 2 == 0
        drawn = _below(np.where(same, size - 1, n - size), bits[:, 1])
        other = np.where(same, start + drawn, drawn)  # skip what must not be drawn: the first example, or its class
        other += np.where(same, other >= first, np.where(other >= start, size, 0))
        return self._order[np.stack([first, other], axis=1)]

    def fresh(self, x: Any, examples: Indices, key: Key) -> Any:
        """Other pairs with the same labels."""
        chosen = self._choose(examples, key)
        return gather(self.dataset.x, chosen.reshape(-1)).reshape(x.shape)


class GoodOrBad(ArrayDataset):
    """Each good instance (label 1), followed by a corrupted copy of it (label 0); x is (2 n, ...).

    Args:
        x: the good instances, (n, ...), as for `ArrayDataset`.
        corruption: `data.replace_words`, `data.swap_patches`, or a function with the same arguments.
        rng: the generator of the key of the draws; None: the default generator.
    """

    def __init__(self, x: Any, corruption: Augmentation, rng: Generator | None = None) -> None:
        both = np.repeat(np.asarray(x), 2, axis=0)
        bad = np.arange(1, len(both), 2)
        super().__init__(both, np.arange(1, len(both) + 1) % 2, keep_axes=True)
        self.corruption = corruption
        self.x[bad] = corruption(self.x[bad - 1], bad, (rng or default_generator()).next_key())

    def fresh(self, x: Any, examples: Indices, key: Key) -> Any:
        """The same good instances with newly corrupted copies."""
        x, bad = x.copy(), examples % 2 == 1
        x[bad] = self.corruption(gather(self.x, examples[bad] - 1), examples[bad], key)
        return x


class GoodBesideBad(ArrayDataset):
    """Pairs of a good instance and a corrupted copy of it, in this order; x is (n, 2, ...), all labels are 0.

    Args: as for `GoodOrBad`.
    """

    def __init__(self, x: Any, corruption: Augmentation, rng: Generator | None = None) -> None:
        good = np.asarray(x)
        numbers = np.arange(len(good))
        self.corruption = corruption
        bad = corruption(good, numbers, (rng or default_generator()).next_key())
        super().__init__(np.stack([good, bad], axis=1), np.zeros(len(good), np.int64), keep_axes=True)

    def fresh(self, x: Any, examples: Indices, key: Key) -> Any:
        """The same good instances, each with a newly corrupted copy."""
        good = np.ascontiguousarray(x[:, 0])
        return np.stack([good, self.corruption(good, examples, key)], axis=1)


def _below(count: Indices, bits: Words) -> Indices:
    """Uniform in [0, count), from 32 random bits each."""
    return ((count.astype(np.uint64) * bits.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
