"""Conversion of arrays to examples or targets.

Examples: uint8 stays (0 to 255 stand for 0.0 to 1.0), float32 stays, int64 stays (word indices). float16, float64
and longer floats become float32, once, where the data set is made; so pandas' and NumPy's default is taken.

Targets: integers and booleans become int64, floats of any length float32. Any shape whose first axis is the examples;
or a tuple of such arrays. A finite number beyond float32 is refused, for it would become infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidnn.data.types import Indices
from minidnn.pipeline import gather, gather_labels
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Targets = Any
"""int64 or float32 (n, ...), or a tuple of them."""


def as_array(owner: str, name: str, values: Any) -> Array:
    """The values as an array.

    Raises:
        TypeError: a sparse matrix, or nothing that is an array of numbers.
    """
    if hasattr(values, "toarray"):
        raise TypeError(f"{owner}: {name} is a sparse {type(values).__name__}, must be dense; give {name}.toarray()")
    array: Array = np.asarray(values.data if isinstance(values, Tensor) else values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{owner}: {name} must be numbers, got an array of {array.dtype}")
    return array


def as_float32(owner: str, name: str, values: Array) -> Array:
    """Floats as float32, contiguous; a copy only where it must be.

    Raises:
        ValueError: a finite number that float32 cannot hold.
    """
    if values.dtype == np.float32:
        return np.require(values, np.float32, ["C", "A"])
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32, order="C")
    if lost := int(np.count_nonzero(np.isinf(narrow) & np.isfinite(values))):
        raise ValueError(f"{owner}: {name} has {lost} finite values beyond float32 (3.4e38); scale them")
    return narrow


def as_examples(owner: str, x: Any) -> Array:
    """Examples as uint8, float32 or int64, see above.

    Raises:
        TypeError: another dtype.
        ValueError: a finite number that float32 cannot hold.
    """
    array = as_array(owner, "x", x)
    if array.dtype.kind == "f":
        return as_float32(owner, "x", array)
    if array.dtype not in (np.uint8, np.int64):
        raise TypeError(
            f"{owner}: x is {array.dtype}, must be uint8, int64 or floating, such as x.astype(np.float32) for numbers"
        )
    return np.ascontiguousarray(array)


def as_targets(owner: str, y: Any, n: int | None = None) -> Targets:
    """Targets as int64 or float32, or a tuple of those, see above.

    Args:
        n: how many examples there are.

    Raises:
        TypeError: not numbers; text is named.
        ValueError: another number of rows, a number that int64 or float32 cannot hold.
    """
    if isinstance(y, tuple):
        if not y:
            raise ValueError(f"{owner}: y is an empty tuple, must hold an array for each target")
        return tuple(as_targets(owner, part, n) for part in y)
    if np.asarray(y).dtype.kind in "OUS":
        raise TypeError(
            f"{owner}: y must be numbers, got {np.asarray(y).dtype}; for names: classes, y = np.unique(y, "
            "return_inverse=True)"
        )
    array = as_array(owner, "y", y)
    if not array.ndim or (n is not None and len(array) != n):
        wanted = "must have one row for each example" if n is None else f"must have {n} rows, one for each example"
        raise ValueError(f"{owner}: y has shape {array.shape}, {wanted}")
    if array.dtype.kind == "f":
        return as_float32(owner, "y", array)
    if array.size and array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{owner}: y has {array.max()}, must be within int64")
    return np.require(array, np.int64, ["C", "A"])


def parts_of(y: Targets) -> tuple[Array, ...]:
    """The arrays of the targets, one or several."""
    return y if isinstance(y, tuple) else (y,)


def each(y: Targets, change: Callable[[Array], Array]) -> Targets:
    """The targets, each of their arrays changed."""
    return tuple(change(part) for part in y) if isinstance(y, tuple) else change(y)


def count_rows(y: Targets) -> int:
    """How many examples the targets are of."""
    return len(parts_of(y)[0])


def take(y: Targets, order: Indices) -> Targets:
    """``y[order]`` in new arrays.

    Raises:
        IndexError: a number is not in [0, n).
    """
    return each(y, lambda part: gather_labels(part, order) if _is_labels(part) else gather(part, order))


def _is_labels(part: Array) -> bool:
    return part.ndim == 1 and part.dtype == np.int64


def are_classes(y: Targets) -> bool:
    """Whether the targets are one integer for each example."""
    return not isinstance(y, tuple) and np.ndim(y) == 1 and np.asarray(y).dtype.kind in "iu"


def chunks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most size that cover n."""
    return (slice(start, start + size) for start in range(0, n, size))


def first_bad(array: Array) -> tuple[int, ...] | None:
    """The index of the first number that is not finite, or None."""
    if array.dtype.kind != "f" or not array.size:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):  # far faster than to ask each; finite float32 never overflow here
            return None
    bad = np.argwhere(~np.isfinite(array))
    return tuple(int(i) for i in bad[0]) if len(bad) else None
