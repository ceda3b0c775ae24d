"""Mini-batches in random order."""

from __future__ import annotations

import os
from collections.abc import Generator as Iteration
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple, TypeVar

from minidnn import kernels
from minidnn.checks import positive_integer
from minidnn.data.datasets import Dataset
from minidnn.data.prefetch import Prefetch
from minidnn.data.targets import Targets, as_targets, take
from minidnn.data.types import Augmentation, Indices
from minidnn.pipeline import permutation
from minidnn.random import Generator, default_generator

Batch = tuple[Any, Targets]
"""(x, y), of which each may be a tuple of arrays."""

T = TypeVar("T")


def batches(
    dataset: Dataset,
    batch_size: int,
    rng: Generator | None = None,
    drop_last: bool = False,
    augment: Augmentation | None = None,
    *,
    skip: int = 0,
    prefetch: bool | None = None,
) -> Iteration[Batch, None, None]:
    """One epoch: every example once, in a random order that takes one draw from ``rng``.

    Args:
        batch_size: examples per batch, at least 1.
        rng: None: the default generator.
        drop_last: leave out the last batch if it is smaller than the others.
        augment: changes the examples of each batch: a `minidnn.data.augment.Augment`, or any function
            ``augment(x, examples, key)`` of the batch, the examples' numbers and the epoch's key. With an attribute
            ``changes_targets = True`` it is called as ``augment(x, y, examples, key)`` and returns ``(x, y)``.
        skip: leave out this many batches at the beginning, without making them.
        prefetch: whether a thread makes batches ahead; the results are the same. None: only if there are at least two
            cores, and the kernels leave one free (`set_num_threads`) or the data set is `Dataset.slow`.

    Returns:
        An iterator of ``(x, y)``: float32 (batch, n_in), bytes divided by 255 (int64 where x is), and the targets,
        int64 or float32 (batch, ...); tuples of arrays where the data set has several. It can be closed.

    Raises:
        TypeError: batch_size or skip is not an integer; in the iterator: augment gives something else than a batch.
        ValueError: batch_size < 1 or skip < 0.
    """
    batch_size = positive_integer("batches", "batch_size", batch_size)
    skip = positive_integer("batches", "skip + 1", skip + 1) - 1
    key = (rng or default_generator()).next_key()
    dataset.check()
    return _run(dataset, _make(dataset, batch_size, key, drop_last, augment, skip), prefetch)


def sharded_batches(
    dataset: Dataset,
    batch_size: int,
    cut: Cut,
    rng: Generator | None = None,
    drop_last: bool = False,
    augment: Augmentation | None = None,
    *,
    skip: int = 0,
    prefetch: bool | None = None,
) -> Iteration[ShardedBatch, None, None]:
    """The same epoch as `batches`, but only some shards of each batch are made; no other example is read.

    ``augment`` receives the examples of one shard at a time.

    Returns:
        An iterator of `ShardedBatch`.
    """
    key = (rng or default_generator()).next_key()
    dataset.check()

    def make() -> Iteration[ShardedBatch, None, None]:
        y = as_targets("batches", dataset.y, len(dataset))
        for part in _orders(dataset, batch_size, key, drop_last, skip):
            pieces = [part[bounds] for bounds in cut.of(len(part))]
            made = [_batch(dataset, y, piece, key, augment) if len(piece) else None for piece in pieces]
            yield ShardedBatch(len(part), made)

    return _run(dataset, make(), prefetch)


class Cut(NamedTuple):
    """Selects the shards ``first`` to ``end - 1`` of the ``shards`` of each batch."""

    shards: int
    first: int
    end: int

    def of(self, n: int) -> list[slice]:
        """The slices of the selected shards in a batch of n examples; their lengths differ by at most 1."""
        return [slice(s * n // self.shards, (s + 1) * n // self.shards) for s in range(self.first, self.end)]


class ShardedBatch(NamedTuple):
    """Some shards of a batch.

    Attributes:
        examples: the number of examples in the whole batch.
        shards: (x, y) of each shard; None for an empty one.
    """

    examples: int
    shards: list[Batch | None]


def _run(dataset: Dataset, made: Iteration[T, None, None], prefetch: bool | None) -> Iteration[T, None, None]:
    if prefetch is None:
        prefetch = _pays(dataset.slow)
    return _ahead(Prefetch(made)) if prefetch else made


def _make(
    dataset: Dataset,
    batch_size: int,
    key: tuple[int, int, int],
    drop_last: bool,
    augment: Augmentation | None,
    skip: int,
) -> Iteration[Batch, None, None]:
    y = as_targets("batches", dataset.y, len(dataset))
    for part in _orders(dataset, batch_size, key, drop_last, skip):
        yield _batch(dataset, y, part, key, augment)


def _orders(
    dataset: Dataset, batch_size: int, key: tuple[int, int, int], drop_last: bool, skip: int
) -> Iterator[Indices]:
    """The numbers of the examples of each batch."""
    order = permutation(len(dataset), *key)
    end = len(order) - len(order) % batch_size if drop_last else len(order)
    for start in range(skip * batch_size, end, batch_size):
        yield order[start : start + batch_size]


def _batch(
    dataset: Dataset, y: Targets, part: Indices, key: tuple[int, int, int], augment: Augmentation | None
) -> Batch:
    if augment is not None and getattr(augment, "changes_targets", False):
        change = _Both(augment, part, key, take(y, part))
        x = dataset.gather(part, change)
        return x, change.y
    return dataset.gather(part, partial(_changed, augment, part, key) if augment else None), take(y, part)


def _changed(augment: Augmentation, examples: Indices, key: tuple[int, int, int], x: Any) -> Any:
    made = augment(x, examples, key)
    if isinstance(made, tuple) and not isinstance(x, tuple):
        raise TypeError(
            "batches: augment returned a tuple, must return the new examples alone; one that changes targets too says "
            "so by an attribute, changes_targets = True, and is called augment(x, y, examples, key)"
        )
    return made


class _Both:
    """An augmentation that changes examples and targets."""

    def __init__(self, augment: Any, examples: Indices, key: tuple[int, int, int], y: Targets) -> None:
        self.augment, self.examples, self.key, self.y = augment, examples, key, y

    def __call__(self, x: Any) -> Any:
        made = self.augment(x, self.y, self.examples, self.key)
        if not isinstance(made, tuple) or len(made) != 2:
            raise TypeError(f"batches: augment must return (x, y) as it changes targets, got {type(made).__name__}")
        x, y = made
        self.y = as_targets("augment", y, len(self.examples))
        return x


def _ahead(loader: Prefetch[T]) -> Iteration[T, None, None]:
    with closing(loader):
        yield from loader


def _pays(slow: bool) -> bool:
    """Whether prefetching pays: on a core that the kernels leave free, or when loading waits for a disk.

    When the kernels use all cores, a thread that computes takes as much time from them as it saves.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores > 1 and (slow or kernels.num_threads() < cores)
