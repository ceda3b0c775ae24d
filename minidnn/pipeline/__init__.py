"""The facade of the loops over examples: compiled or reference, depending on `minidnn.kernels.backend`."""

from __future__ import annotations

import math
import operator
import os
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn import kernels
from minidnn.pipeline import reference
from minidnn.reference.types import Bytes, Floats32, Indices, Words

_compiled: ModuleType
try:
    from minidnn.pipeline import _pipeline as _compiled
except ImportError as error:
    if os.environ.get("MINIDNN_BACKEND") != "reference":
        raise ImportError(
            f"minidnn: the compiled data pipeline could not be imported ({error}). If you are in a source checkout, "
            "its minidnn/ folder hides the installed package: run `pip install .` and start Python from another "
            "folder. To run on the NumPy reference instead (slowly), set MINIDNN_BACKEND=reference."
        ) from error
    _compiled = reference


def _loops() -> ModuleType:
    return _compiled if kernels.backend() == "compiled" else reference


def permutation(n: int, seed: int, stream: int, draw: int) -> Indices:
    """A shuffled ``arange(n)``; see `minidnn.reference.random.permutation`.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is not in [0, 2**32].
    """
    n = operator.index(n)
    if not 0 <= n <= 2**32:
        raise ValueError(f"permutation: n must be in [0, 2**32], got {n}")
    order: Indices = _loops().permutation(n, seed, stream, draw)
    return order


def gather(examples: Bytes | Floats32 | Indices, order: Indices) -> Any:
    """``x[i] = examples[order[i]]``, bytes divided by 255: (n, ...) and int64 (batch,) give (batch, ...).

    Always a new array: float32, or int64 for int64 examples. The rows of ``examples`` must be contiguous, as in an
    `ArrayDataset`.

    Raises:
        TypeError: examples is neither uint8, float32 nor int64.
        IndexError: a value of order is not in [0, n).
    """
    if examples.ndim != 2:
        flat = examples.reshape(len(examples), math.prod(examples.shape[1:]))
        return gather(flat, order).reshape(len(order), *examples.shape[1:])
    if examples.dtype == "uint8":
        x = _loops().gather_bytes(examples, order)
    elif examples.dtype == "float32":
        x = _loops().gather_floats(examples, order)
    elif examples.dtype == "int64":
        x = _loops().gather_integers(examples, order)
    else:
        raise TypeError(f"gather: examples is {examples.dtype}, must be uint8, float32 or int64")
    return x


def gather_labels(labels: Indices, order: Indices) -> Indices:
    """``y[i] = labels[order[i]]``: int64 (n,) and int64 (batch,) give a new int64 (batch,).

    Raises:
        IndexError: a value of order is not in [0, n).
    """
    y: Indices = _loops().gather_labels(labels, order)
    return y


def is_largest(rows: Any, labels: Indices) -> npt.NDArray[np.bool_]:
    """Whether ``argmax(rows[i]) == labels[i]``; see `minidnn.pipeline.reference.is_largest`.

    Raises:
        IndexError: a label is not in [0, classes).
    """
    plain = rows.dtype == np.float32 and rows.flags.c_contiguous and rows.flags.aligned
    found: npt.NDArray[np.bool_] = (_loops() if plain else reference).is_largest(rows, labels)
    return found


def example_bits(examples: Indices, n: int, key: tuple[int, int, int], place: int) -> Words:
    """``n`` random words for each example; see `minidnn.pipeline.reference`."""
    words: Words = _loops().example_bits(examples, n, *key, place)
    return words


def resample(images: Floats32, maps: Floats32, fields: Floats32, fill: float) -> Floats32:
    """Images resampled at other positions; see `minidnn.pipeline.reference`."""
    resampled: Floats32 = _loops().resample(images, maps, fields, fill)
    return resampled
