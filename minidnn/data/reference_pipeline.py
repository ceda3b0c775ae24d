"""The loops over examples in NumPy: the truth that the compiled `_pipeline` equals bit for bit.

``philox`` and ``permutation`` are those of `minidnn.reference.random`.

A byte becomes a float32 by one division, ``float32(byte) / float32(255)``: exactly rounded, so that 0 is 0.0, 255 is
1.0 and nothing lies outside, which a multiplication by the rounded 1/255 does not promise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn.data.types import Bytes, Floats32, Indices
from minidnn.reference.random import permutation, philox

__all__ = ["gather_bytes", "gather_floats", "gather_labels", "permutation", "philox"]


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
