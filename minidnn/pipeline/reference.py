"""The loops over examples in NumPy: the reference that the compiled `_pipeline` equals bit for bit.

``philox`` and ``permutation`` are imported from `minidnn.reference.random`.

A byte becomes a float32 by one division, ``float32(byte) / float32(255)``. It is correctly rounded: 0 becomes 0.0, 255
becomes 1.0, and all results lie in between. A multiplication by the rounded 1/255 does not guarantee that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn.reference.random import permutation, philox
from minidnn.reference.types import Bytes, Floats32, Indices, Words

__all__ = [
    "example_bits",
    "gather_bytes",
    "gather_floats",
    "gather_integers",
    "gather_labels",
    "is_largest",
    "permutation",
    "philox",
    "resample",
]


def gather_bytes(examples: Bytes, order: Indices) -> Floats32:
    """``x[i] = examples[order[i]] / 255``: uint8 (n, n_in) and int64 (batch,) give float32 (batch, n_in).

    Raises:
        IndexError: a value of order is not in [0, n).
    """
    return _rows(examples, order).astype(np.float32) / np.float32(255)


def gather_floats(examples: Floats32, order: Indices) -> Floats32:
    """``x[i] = examples[order[i]]``: float32 (n, n_in) and int64 (batch,) give float32 (batch, n_in).

    Raises:
        IndexError: a value of order is not in [0, n).
    """
    return _rows(examples, order)


def gather_integers(examples: Indices, order: Indices) -> Indices:
    """``x[i] = examples[order[i]]``: int64 (n, n_in) and int64 (batch,) give int64 (batch, n_in).

    Raises:
        IndexError: a value of order is not in [0, n).
    """
    return _rows(examples, order)


def gather_labels(labels: Indices, order: Indices) -> Indices:
    """``y[i] = labels[order[i]]``: int64 (n,) and int64 (batch,) give int64 (batch,).

    Raises:
        IndexError: a value of order is not in [0, n).
    """
    return _rows(labels, order)


def _rows(array: np.ndarray[Any, Any], order: Indices) -> np.ndarray[Any, Any]:
    outside = np.flatnonzero((order < 0) | (order >= len(array)))
    if outside.size:
        i = outside[0]
        raise IndexError(f"gather: order[{i}] is {order[i]}, must be in [0, {len(array)})")
    return array[order]


def is_largest(rows: np.ndarray[Any, Any], labels: Indices) -> npt.NDArray[np.bool_]:
    """``argmax(rows[i]) == labels[i]`` and ``isfinite(rows[i, labels[i]])``: (n, classes), int64 (n,) give bool (n,).

    Of equal values the first counts; a row with a NaN gives False.

    Raises:
        IndexError: a label is not in [0, classes).
    """
    outside = np.flatnonzero((labels < 0) | (labels >= rows.shape[1]))
    if outside.size:
        i = outside[0]
        raise IndexError(f"labels[{i}] is {labels[i]}, must be in [0, {rows.shape[1]})")
    if not rows.size:
        return np.zeros(len(rows), np.bool_)
    found: npt.NDArray[np.bool_] = (rows.argmax(axis=1) == labels) & np.isfinite(rows[np.arange(len(rows)), labels])
    return found


TAG = 0x61756721
"""Separates the draws of `example_bits` from the orders and masks of the same key."""


def example_bits(examples: Indices, n: int, seed: int, stream: int, draw: int, place: int) -> Words:
    """``n`` random words for each example, uint32 (batch, n): a function of key, place and example only.

    Word ``4 * b + k`` is word k of the Philox block whose counter is (example, place + 256 * b, draw, stream ^ TAG).
    """
    blocks = -(-n // 4)
    counter = np.empty((4, len(examples), blocks), np.uint32)
    counter[0] = examples[:, np.newaxis]
    counter[1] = place + 256 * np.arange(blocks, dtype=np.uint32)
    counter[2], counter[3] = draw & 0xFFFFFFFF, stream ^ TAG
    words = philox(counter.reshape(4, -1), (seed & 0xFFFFFFFF, seed >> 32))
    return np.ascontiguousarray(words.T.reshape(len(examples), 4 * blocks)[:, :n])


def resample(images: Floats32, maps: Floats32, fields: Floats32, fill: float) -> Floats32:
    """Bilinear resampling: the output at pixel p is the image at ``map @ (p + field(p))``.

    Args:
        images: (n, h, w, c).
        maps: (n, 2, 3), from (row, column, 1) of the output to (row, column) of the image.
        fields: displacements in pixels (n, 2, h, w), or empty for none.
        fill: the value outside of the image.

    Returns:
        (n, h, w, c).
    """
    n, h, w, _ = images.shape
    if maps.shape != (n, 2, 3):
        raise ValueError(f"resample: maps must be ({n}, 2, 3)")
    if len(fields) and fields.shape != (n, 2, h, w):
        raise ValueError(f"resample: fields must be ({n}, 2, {h}, {w}), or empty")
    y, x = (np.broadcast_to(grid, (n, h, w)) for grid in np.indices((h, w), np.float32))
    if len(fields):
        y, x = y + fields[:, 0], x + fields[:, 1]
    m = maps[:, :, :, np.newaxis, np.newaxis]
    source_y = m[:, 0, 0] * y + m[:, 0, 1] * x + m[:, 0, 2]
    source_x = m[:, 1, 0] * y + m[:, 1, 1] * x + m[:, 1, 2]
    near = (source_y > -2) & (source_y < h + 1) & (source_x > -2) & (source_x < w + 1)
    source_y, source_x = np.where(near, source_y, np.float32(-2)), np.where(near, source_x, np.float32(-2))
    floor_y, floor_x = np.floor(source_y), np.floor(source_x)
    dy, dx = ((source_y - floor_y)[..., np.newaxis], (source_x - floor_x)[..., np.newaxis])
    top, left = floor_y.astype(np.int64) + 2, floor_x.astype(np.int64) + 2
    padded = np.pad(images, ((0, 0), (2, 3), (2, 3), (0, 0)), constant_values=np.float32(fill))
    i = np.arange(n)[:, np.newaxis, np.newaxis]
    one = np.float32(1)
    upper = padded[i, top, left] * (one - dx) + padded[i, top, left + 1] * dx
    lower = padded[i, top + 1, left] * (one - dx) + padded[i, top + 1, left + 1] * dx
    return upper * (one - dy) + lower * dy
