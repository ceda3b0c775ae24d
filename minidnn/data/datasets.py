"""Data sets: examples with their labels."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minidnn.data.checksums import of_array
from minidnn.data.pipeline import gather, gather_labels
from minidnn.data.types import Bytes, Floats32, Indices

Change = Callable[[Any], Any]
"""What augmentation makes of the images of a batch."""


class Dataset:
    """Examples with labels, in memory or not: what `batches`, `fit` and `evaluate` ask of them.

    A subclass has ``y``, and defines `gather` and `checksums`.

    Attributes:
        y, labels: int64 (n,).
        classes: the names of the labels 0, 1, ..., or empty.
        columns: the names of the inputs, or empty.
        slow: whether an example waits for a disk or a decoder, so that `batches` loads ahead.
    """

    y: Indices
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    slow: bool = False

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        """The examples of these numbers: int64 (batch,) gives new ones, float32 (batch, n_in), bytes divided by 255.

        Numbers of words come as int64, and what keeps its axes as (batch, ...).

        Args:
            change: is given the examples as they are stored, before they are standardized.

        Raises:
            IndexError: a number is not in [0, n).
        """
        raise NotImplementedError

    def check(self) -> None:
        """Raises where the examples are no longer to be used; asked before each epoch."""

    def checksums(self) -> list[int]:
        """What tells another data set from this one: checksums of the content, of samples where it is large."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, part: slice) -> Dataset:
        """The examples of a slice, none of them copied."""
        return Subset(self, np.arange(len(self))[_slice(self, part)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} examples)"

    @property
    def labels(self) -> Indices:
        return self.y

    @property
    def images(self) -> Floats32:
        """All examples, as float32."""
        return self.inputs.astype(np.float32, copy=False)

    @property
    def inputs(self) -> Floats32 | Indices:
        """All examples as a model takes them, which is as `gather` gives them."""
        inputs: Floats32 | Indices = self.gather(np.arange(len(self)))
        return inputs


class ArrayDataset(Dataset):
    """Examples and labels in arrays, which may be memory-mapped files.

    Args:
        x: (n, n_in), or images of any shape (n, ...); uint8 (0 to 255 stand for 0.0 to 1.0), float32, or int64 for
            numbers of words. Kept as it is if its rows are contiguous.
        y: (n,), integers >= 0.
        classes: the names of the labels 0, 1, ...
        columns: the names of the inputs.
        keep_axes: whether examples keep their axes, as pairs (n, 2, n_in) do, rather than become rows.

    Attributes:
        x: the examples as they are stored, (n, n_in), or (n, ...) with ``keep_axes``.
        image_shape: of one example, as it came.
        images: the examples as float32, bytes divided by 255; made when first asked for, then kept.
        inputs: the examples as a model takes them: the images, or the numbers of words as they are.

    Raises:
        TypeError: another dtype.
        ValueError: other shapes, lengths that differ, a negative label.
    """

    def __init__(
        self, x: Any, y: Any, classes: Sequence[str] = (), columns: Sequence[str] = (), keep_axes: bool = False
    ) -> None:
        x, y = np.asarray(x), np.asarray(y)
        if x.dtype not in (np.uint8, np.float32, np.int64):
            raise TypeError(
                f"ArrayDataset: x is {x.dtype}, must be uint8, float32 or int64, such as x.astype(np.float32)"
            )
        if y.dtype.kind not in "iu":
            raise TypeError(f"ArrayDataset: y is {y.dtype}, must be integers")
        if x.ndim < 2:
            raise ValueError(f"ArrayDataset: x has shape {x.shape}, must be (n, n_in) or images (n, ...)")
        if y.shape != x.shape[:1]:
            raise ValueError(f"ArrayDataset: y has shape {y.shape}, x has {x.shape}: y must be ({len(x)},)")
        if y.size and not 0 <= y.min() <= y.max() < 2**63:
            raise ValueError(f"ArrayDataset: y must not be negative, got {y.min()}, nor beyond int64: {y.max()}")
        self.image_shape = x.shape[1:]
        self.keep_axes = keep_axes
        x = np.ascontiguousarray(x)
        self.x: Bytes | Floats32 | Indices = x if keep_axes else x.reshape(len(x), int(np.prod(x.shape[1:])))
        self.y = np.require(y, np.int64, ["C", "A"])
        self.classes, self.columns = tuple(classes), tuple(columns)
        self.slow = _is_mapped(self.x)

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        x = gather(self.x, order)
        return change(x) if change else x

    def checksums(self) -> list[int]:
        return [of_array(self.x), of_array(self.y)]

    def __getitem__(self, part: slice) -> ArrayDataset:
        """The examples of a slice; views, not copies, where the step is 1."""
        part = _slice(self, part)
        return self._like(self.x[part], self.y[part])

    def __add__(self, other: ArrayDataset) -> ArrayDataset:
        """The examples of both, one after the other, in a new data set.

        Raises:
            ValueError: another number of inputs, or another dtype.
        """
        if self.x.shape[1:] != other.x.shape[1:] or self.x.dtype != other.x.dtype:
            raise ValueError(f"ArrayDataset: cannot add {other!r} to {self!r}: width and dtype must be the same")
        return self._like(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))

    def __repr__(self) -> str:
        return f"ArrayDataset({len(self)} examples, x {self.x.shape} {self.x.dtype})"

    def _like(self, x: Bytes | Floats32 | Indices, y: Indices) -> ArrayDataset:
        return ArrayDataset(x.reshape(len(x), *self.image_shape), y, self.classes, self.columns, self.keep_axes)

    @cached_property
    def images(self) -> Floats32:
        images: Floats32 = self.x.astype(np.float32, copy=False)
        return images / np.float32(255) if self.x.dtype == np.uint8 else images

    @property
    def inputs(self) -> Floats32 | Indices:
        return self.x.astype(np.int64, copy=False) if self.x.dtype == np.int64 else self.images


class Subset(Dataset):
    """Some examples of another data set, in this order; none is copied.

    Args:
        indices: integers in [0, len(dataset)), each as often as one likes.

    Raises:
        TypeError: indices are not integers.
        IndexError: one is out of range.
    """

    def __init__(self, dataset: Dataset, indices: Any) -> None:
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError(f"Subset: indices must be integers (n,), got {indices.dtype} of shape {indices.shape}")
        self.dataset, self.indices = dataset, np.require(indices, np.int64, ["C", "A"])
        self.y = gather_labels(dataset.y, self.indices)
        self.classes, self.columns, self.slow = dataset.classes, dataset.columns, dataset.slow

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        return self.dataset.gather(gather_labels(self.indices, order), change)

    def checksums(self) -> list[int]:
        return [*self.dataset.checksums(), of_array(self.indices)]


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: ArrayDataset
    valid: ArrayDataset
    test: ArrayDataset


def _slice(dataset: Dataset, part: slice) -> slice:
    if not isinstance(part, slice):
        raise TypeError(f"{type(dataset).__name__}: takes slices, got {type(part).__name__}")
    return part


def _is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)
