"""Data sets: examples with their targets."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minidnn.data.checksums import of_array
from minidnn.data.meaning import Meaning
from minidnn.data.targets import (
    Targets,
    as_examples,
    as_targets,
    chunks,
    count_rows,
    each,
    first_bad,
    parts_of,
    take,
)
from minidnn.data.types import Bytes, Floats32, Indices
from minidnn.pipeline import gather, gather_labels

Change = Callable[[Any], Any]
"""A function from the examples of a batch to the augmented ones."""

CHUNK = 4096
"""Examples processed at once, since a data set may be larger than memory."""


class Dataset:
    """Examples with targets, in memory or not: the interface that `batches`, `fit` and `evaluate` use.

    A subclass has ``y`` and defines `gather` and `checksums`.

    Attributes:
        y, labels: the targets: any array whose first axis is the examples, or a tuple of those. Class numbers (n,),
            real numbers (n,) or (n, k), 0/1 labels or probabilities (n, k). The loss says which it takes.
        classes: the names of the labels 0, 1, ..., or empty.
        columns: the names of the inputs, or empty.
        slow: whether reading an example waits for a disk or a decoder, so that `batches` prefetches.
    """

    y: Targets
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    slow: bool = False
    _meaning: Meaning | None = None

    @property
    def meaning(self) -> Meaning:
        """The meaning of inputs and labels."""
        return self._meaning or Meaning(classes=self.classes, columns=self.columns)

    @meaning.setter
    def meaning(self, meaning: Meaning) -> None:
        self._meaning = meaning

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        """The examples with these numbers, int64 (batch,), in a new array: float32 (batch, n_in), bytes divided by 255.

        Word numbers stay int64; with ``keep_axes`` the shape is (batch, ...).

        Args:
            change: applied to the examples before they are standardized.

        Raises:
            IndexError: a number is not in [0, n).
        """
        raise NotImplementedError

    def check(self) -> None:
        """Raises if the examples are no longer valid; called before each epoch."""

    def checksums(self) -> list[int]:
        """Checksums of the content (of samples if it is large), which tell data sets apart."""
        raise NotImplementedError

    def check_finite(self, owner: str) -> None:
        """Checks that all targets, and the inputs unless the data set is `slow`, are finite.

        Raises:
            ValueError: an input or target is NaN or infinite; the message names the example and the column.
        """
        for part in parts_of(self.y):
            _check_finite(owner, "target", part, 0, ())
        if not self.slow:
            for rows in chunks(len(self), CHUNK):
                for x in parts_of(self.gather(np.arange(len(self))[rows])):
                    _check_finite(owner, "input", x, rows.start, self.columns)

    def __len__(self) -> int:
        return count_rows(self.y)

    def __getitem__(self, part: slice) -> Dataset:
        """The examples of a slice, none of them copied."""
        return Subset(self, np.arange(len(self))[_slice(self, part)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} examples)"

    @property
    def labels(self) -> Targets:
        return self.y

    @property
    def images(self) -> Floats32:
        """All examples, as float32."""
        return self.inputs.astype(np.float32, copy=False)

    @property
    def inputs(self) -> Floats32 | Indices:
        """All examples as a model takes them, as `gather` returns them."""
        inputs: Floats32 | Indices = self.gather(np.arange(len(self)))
        return inputs


class ArrayDataset(Dataset):
    """Examples and targets in arrays, which may be memory-mapped files.

    Args:
        x: (n, n_in), or images of any shape (n, ...); uint8 (0 to 255 stand for 0.0 to 1.0), float32, or int64 for
            word numbers. Used without a copy if contiguous; other floats are converted once, to float32.
        y: (n, ...), or a tuple of such arrays; integers become int64, floats float32. See `Dataset`.
        classes: the names of the labels 0, 1, ...
        columns: the names of the inputs.
        keep_axes: whether examples keep their axes, such as pairs (n, 2, n_in), instead of becoming rows.

    Attributes:
        x: the examples as they are stored, (n, n_in), or (n, ...) with ``keep_axes``.
        image_shape: the shape of one example in the x that was given.
        images: the examples as float32, bytes divided by 255; made on first use, then kept.
        inputs: the examples as a model takes them: ``images``, or the word numbers unchanged.

    Raises:
        TypeError: another dtype, a sparse matrix, text as targets.
        ValueError: another shape, different lengths, or a number that float32 or int64 cannot hold.
    """

    def __init__(
        self, x: Any, y: Any, classes: Sequence[str] = (), columns: Sequence[str] = (), keep_axes: bool = False
    ) -> None:
        x = as_examples("ArrayDataset", x)
        if x.ndim < 2:
            raise ValueError(
                f"ArrayDataset: x has shape {x.shape}, must be (n, n_in) or images (n, ...); give x[:, np.newaxis] for "
                "one input"
            )
        self.image_shape = x.shape[1:]
        self.keep_axes = keep_axes
        self.x: Bytes | Floats32 | Indices = x if keep_axes else x.reshape(len(x), int(np.prod(x.shape[1:])))
        self.y = as_targets("ArrayDataset", y, len(x))
        self.classes, self.columns = tuple(classes), tuple(columns)
        self.slow = _is_mapped(self.x)

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        x = gather(self.x, order)
        return change(x) if change else x

    def checksums(self) -> list[int]:
        return [of_array(self.x), *checksums_of(self.y)]

    def check_finite(self, owner: str) -> None:
        for part in parts_of(self.y):
            _check_finite(owner, "target", part, 0, ())
        x = self.x
        for rows in chunks(len(self), CHUNK) if x.dtype == np.float32 else ():
            _check_finite(owner, "input", x[rows], rows.start, self.columns)

    def __getitem__(self, part: slice) -> ArrayDataset:
        """The examples of a slice; views, not copies, where the step is 1."""
        part = _slice(self, part)
        return self._like(self.x[part], each(self.y, lambda y: y[part]))

    def __add__(self, other: ArrayDataset) -> ArrayDataset:
        """The examples of both, one after the other, in a new data set.

        Raises:
            ValueError: another number of inputs, another dtype, targets of another shape, other classes or columns.
        """
        if self.x.shape[1:] != other.x.shape[1:] or self.x.dtype != other.x.dtype:
            raise ValueError(f"ArrayDataset: cannot add {other!r} to {self!r}: width and dtype must be the same")
        ours, theirs = parts_of(self.y), parts_of(other.y)
        if [(y.dtype, y.shape[1:]) for y in ours] != [(y.dtype, y.shape[1:]) for y in theirs]:
            raise ValueError(f"ArrayDataset: cannot add {other!r} to {self!r}: targets must have one shape and dtype")
        same_meaning("ArrayDataset", self, other)
        y = tuple(np.concatenate(pair) for pair in zip(ours, theirs, strict=True))
        return self._like(np.concatenate([self.x, other.x]), y if isinstance(self.y, tuple) else y[0])

    def __repr__(self) -> str:
        return f"ArrayDataset({len(self)} examples, x {self.x.shape} {self.x.dtype})"

    def _like(self, x: Bytes | Floats32 | Indices, y: Targets) -> ArrayDataset:
        new = ArrayDataset(x.reshape(len(x), *self.image_shape), y, self.classes, self.columns, self.keep_axes)
        new._meaning = self._meaning
        return new

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
        indices: integers in [0, len(dataset)); they may repeat.

    Raises:
        TypeError: indices are not integers.
        IndexError: one is out of range.
    """

    def __init__(self, dataset: Dataset, indices: Any) -> None:
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError(f"Subset: indices must be integers (n,), got {indices.dtype} of shape {indices.shape}")
        self.dataset, self.indices = dataset, np.require(indices, np.int64, ["C", "A"])
        self.y = take(as_targets("Subset", dataset.y), self.indices)
        self.classes, self.columns, self.slow = dataset.classes, dataset.columns, dataset.slow
        self._meaning = dataset._meaning

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        return self.dataset.gather(gather_labels(self.indices, order), change)

    def checksums(self) -> list[int]:
        return [*self.dataset.checksums(), of_array(self.indices)]


def same_meaning(owner: str, train: Dataset | Meaning, other: Dataset) -> None:
    """Raises a ValueError if classes or columns differ where both name them, or tables are standardized differently.

    The same class number, input position or input value would then have different meanings.
    """
    is_model = isinstance(train, Meaning)
    known = train if isinstance(train, Meaning) else train.meaning
    first = "the model and the data" if is_model else "the data sets"
    remedies = (
        ("classes=model.meaning.classes", "like=model.meaning") if is_model else ("classes=train.classes", "like=train")
    )
    pairs = (("classes", train.classes, other.classes), ("columns", train.columns, other.columns))
    for (what, ours, theirs), remedy in zip(pairs, remedies, strict=True):
        if ours and theirs and ours != theirs:
            raise ValueError(
                f"{owner}: {first} have different {what}: {_shown(ours)} and {_shown(theirs)}; read the second "
                f"with the {what} of the first ({remedy})"
            )
    now = other.meaning
    if known.source and now.source and (known.mean, known.std) != (now.mean, now.std):
        raise ValueError(
            f"{owner}: {first} are standardized in different ways, or one of them is not; give both to the same "
            f"data.Standardize(train), or read the second with {remedies[1]}"
        )


def checksums_of(y: Targets) -> list[int]:
    """A checksum of each array of the targets."""
    return [of_array(part) for part in parts_of(y)]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", ... ({len(names)})" if len(names) > 8 else "")


def _check_finite(owner: str, what: str, array: Any, start: int, columns: Sequence[str]) -> None:
    array = np.asarray(array)
    if (place := first_bad(array)) is None:
        return
    example, *rest = place
    column = f", column {columns[rest[0]]!r}" if len(rest) == 1 and rest[0] < len(columns) else ""
    if rest and not column:
        column = f", column {rest[0] if len(rest) == 1 else tuple(rest)}"
    raise ValueError(
        f"{owner}: the {what} of example {start + example}{column} is {array[place]}, must be finite; "
        "leave the example out or fill the gap"
    )


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
