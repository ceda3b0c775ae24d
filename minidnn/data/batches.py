"""Mini-batches in a new random order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minidnn.checks import positive_integer
from minidnn.data.datasets import ArrayDataset
from minidnn.data.pipeline import gather, gather_labels, permutation
from minidnn.data.types import Change, Indices
from minidnn.random import Generator, default_generator


def batches(
    dataset: ArrayDataset,
    batch_size: int,
    rng: Generator | None = None,
    drop_last: bool = False,
    augment: Change | None = None,
) -> Iterator[tuple[Any, Indices]]:
    """One epoch: every example once, in an order that is one draw of ``rng``.

    Args:
        batch_size: examples in a batch, at least 1.
        rng: the default generator where it is None.
        drop_last: leave out the last batch if it is smaller than the others.
        augment: makes new examples of those of each batch: a `minidnn.data.augment.Augment`, or any function of the
            batch, the examples' numbers and the epoch's key.

    Returns:
        An iterator of ``(x, y)``: float32 (batch, n_in), bytes divided by 255 (int64 where x is), and int64 (batch,).

    Raises:
        TypeError: batch_size is not an integer.
        ValueError: batch_size < 1.
    """
    batch_size = positive_integer("batches", "batch_size", batch_size)
    key = (rng or default_generator()).next_key()
    order = permutation(len(dataset), *key)
    end = len(order) - len(order) % batch_size if drop_last else len(order)
    parts = (order[start : start + batch_size] for start in range(0, end, batch_size))
    if augment is None:
        return ((gather(dataset.x, part), gather_labels(dataset.y, part)) for part in parts)
    return ((augment(gather(dataset.x, part), part, key), gather_labels(dataset.y, part)) for part in parts)
