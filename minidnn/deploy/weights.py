"""A layer's weights as they are stored: dense or sparse, in one of three dtypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minidnn.reference.inference import columns_of, densify
from minidnn.reference.types import Array

Dtype = Literal["float32", "bfloat16", "int8"]
STORED: dict[Dtype, Any] = {"float32": np.float32, "bfloat16": np.uint16, "int8": np.int8}
"""The NumPy dtype that holds each; NumPy has no bfloat16, so uint16 holds the bits."""

MOST_SPARSE_INPUTS = 65536


@dataclass(frozen=True, eq=False)
class Quantization:
    """How a layer computes with bytes: inputs are ``x = (q - zero) * scale``, weights ``w = q * scales[j]``.

    Attributes:
        scale, zero: of the inputs; zero is in [0, 255] and stands for 0.0.
        scales: of the weights, (n_out,), one for each output (Jacob et al. 2018).
    """

    scale: float
    zero: int
    scales: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Weights:
    """W, (n_in, n_out), dense; or, if ``starts`` is not None, only its nonzeros, column by column (CSC).

    Attributes:
        values: dense (n_in, n_out), sparse (nonzeros,); float32, int8, or bfloat16 as uint16.
        starts: (n_out + 1,) uint32; the nonzeros of column j are ``[starts[j], starts[j + 1])``.
        rows: (nonzeros,) uint16, ascending in each column.
        quantization: of int8.
    """

    n_in: int
    n_out: int
    values: Array
    starts: npt.NDArray[np.uint32] | None = None
    rows: npt.NDArray[np.uint16] | None = None
    quantization: Quantization | None = None

    @property
    def dtype(self) -> Dtype:
        return next(name for name, stored in STORED.items() if self.values.dtype == stored)

    @property
    def is_sparse(self) -> bool:
        return self.starts is not None

    @property
    def nonzeros(self) -> int:
        return self.values.size if self.is_sparse else int(np.count_nonzero(self.values))

    @property
    def density(self) -> float:
        return self.nonzeros / (self.n_in * self.n_out)

    def dense(self) -> Array:
        """The stored numbers as a matrix."""
        if self.starts is None or self.rows is None:
            return self.values
        return densify(self.n_in, self.starts, self.rows, self.values)

    def corrections(self) -> npt.NDArray[np.int32]:
        """What ``zero`` adds to each sum of products of bytes."""
        assert self.quantization is not None
        if self.starts is None:
            sums = self.values.sum(axis=0, dtype=np.int64)
        else:
            sums = np.bincount(columns_of(self.starts), self.values, self.n_out).astype(np.int64)
        return (sums * self.quantization.zero).astype(np.int32)

    def sparse(self) -> Weights:
        """The same weights, stored sparse."""
        if self.is_sparse:
            return self
        columns = self.values.T
        there = columns != 0
        starts = np.concatenate([[0], there.sum(axis=1).cumsum()]).astype(np.uint32)
        rows = np.nonzero(there)[1].astype(np.uint16)
        return Weights(self.n_in, self.n_out, columns[there], starts, rows, self.quantization)


def to_bfloat16(w: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """The bits of the nearest bfloat16 numbers, ties to even; the largest finite one instead of infinity."""
    bits = w.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where((rounded & 0x7FFF) >= 0x7F80, bits >> 16, rounded).astype(np.uint16)


def to_int8(w: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """``w = q * scales[j]`` with the largest weight of each column at 127."""
    largest = np.abs(w).max(axis=0)
    scales = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)
    return np.clip(np.rint(w / scales), -127, 127).astype(np.int8), scales
