"""Data sets: examples with their labels."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minidnn.data.types import Bytes, Floats32, Indices


class ArrayDataset:
    """Examples and labels in memory.

    Args:
        x: (n, n_in), or with more axes, such as (n, 2, n_in) for pairs; uint8 (0 to 255 stand for 0.0 to 1.0), float32,
            or int64 for numbers of words. Kept as it is if its rows are contiguous.
        y: (n,), integers >= 0.

    Attributes:
        x: the examples as they are stored.
        y, labels: int64.
        images: the examples as float32, bytes divided by 255; made when first asked for, then kept.
        inputs: the examples as a model takes them: the images, or the numbers of words as they are.

    Raises:
        TypeError: another dtype.
        ValueError: other shapes, lengths that differ, a negative label.
    """

    def __init__(self, x: Any, y: Any) -> None:
        x, y = np.asarray(x), np.asarray(y)
        if x.dtype not in (np.uint8, np.float32, np.int64):
            raise TypeError(f"ArrayDataset: x is {x.dtype}, must be uint8, float32 or int64")
        if y.dtype.kind not in "iu":
            raise TypeError(f"ArrayDataset: y is {y.dtype}, must be integers")
        if x.ndim < 2:
            raise ValueError(f"ArrayDataset: x has shape {x.shape}, must be (n, n_in)")
        if y.shape != x.shape[:1]:
            raise ValueError(f"ArrayDataset: y has shape {y.shape}, x has {x.shape}: y must be ({len(x)},)")
        if y.size and y.min() < 0:
            raise ValueError(f"ArrayDataset: y must not be negative, got {y.min()}")
        self.x: Bytes | Floats32 | Indices = np.ascontiguousarray(x)
        self.y: Indices = np.ascontiguousarray(y, np.int64)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, part: slice) -> ArrayDataset:
        """The examples of a slice; views, not copies, where the step is 1."""
        if not isinstance(part, slice):
            raise TypeError(f"ArrayDataset: takes slices, got {type(part).__name__}")
        return ArrayDataset(self.x[part], self.y[part])

    def __add__(self, other: ArrayDataset) -> ArrayDataset:
        """The examples of both, one after the other, in a new data set.

        Raises:
            ValueError: another number of inputs, or another dtype.
        """
        if self.x.shape[1:] != other.x.shape[1:] or self.x.dtype != other.x.dtype:
            raise ValueError(f"ArrayDataset: cannot add {other!r} to {self!r}: width and dtype must be the same")
        return ArrayDataset(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))

    def __repr__(self) -> str:
        return f"ArrayDataset({len(self)} examples, x {self.x.shape} {self.x.dtype})"

    @property
    def labels(self) -> Indices:
        return self.y

    @cached_property
    def images(self) -> Floats32:
        if self.x.dtype == np.float32:
            return self.x.astype(np.float32, copy=False)
        return self.x.astype(np.float32) / np.float32(255)

    @property
    def inputs(self) -> Floats32 | Indices:
        return self.x.astype(np.int64, copy=False) if self.x.dtype == np.int64 else self.images


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: ArrayDataset
    valid: ArrayDataset
    test: ArrayDataset
