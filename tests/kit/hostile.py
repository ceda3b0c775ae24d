"""Invalid and unusual arrays, and the outcomes that are allowed for each."""

from __future__ import annotations

import numpy as np

from minidnn import Tensor

CLEAR = (TypeError, ValueError, IndexError, MemoryError, OverflowError, FloatingPointError)
"""Errors that report invalid arguments; any other exception is a bug of minidnn."""


def misaligned(a):
    memory = np.zeros(a.nbytes + 1, np.uint8)
    view = memory[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def spread(a):
    if a.ndim == 0:
        return a.copy()
    wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def backwards(a):
    return np.flip(np.flip(a).copy())


def read_only(a):
    b = a.copy()
    b.flags.writeable = False
    return b


def swapped(a):
    return a.astype(a.dtype.newbyteorder())


SAME_VALUES = {
    "another byte order": swapped,
    "another order of axes": np.asfortranarray,
    "negative strides": backwards,
    "every other element": spread,
    "not aligned": misaligned,
    "read-only": read_only,
    "a subclass": lambda a: a.copy().view(type("Own", (np.ndarray,), {})),
}
"""The same numbers, laid out differently: an error, or what the plain array gives."""


def overlapping(a):
    """Rows that share their memory."""
    flat = np.arange(a.size + 1, dtype=a.dtype)
    return np.lib.stride_tricks.as_strided(flat, a.shape, (a.itemsize,) * a.ndim, writeable=True)


def constant(a):
    return np.broadcast_to(np.ones((), a.dtype), a.shape)


OTHER_VALUES = {
    "zero strides": constant,
    "rows that overlap": overlapping,
    "an axis more": lambda a: a[np.newaxis].copy(),
    "an axis less": lambda a: a.reshape(-1)[: a.shape[-1] if a.ndim else 1].copy(),
    "no axis": lambda a: np.ones((), a.dtype),
    "one element more": lambda a: np.ones(tuple(n + 1 for n in a.shape), a.dtype),
    "one element less": lambda a: np.ones(tuple(max(n - 1, 0) for n in a.shape), a.dtype),
    "nothing": lambda a: np.ones((0,) * max(a.ndim, 1), a.dtype),
    "nothing, in rows": lambda a: np.ones((0, *a.shape[1:]), a.dtype),
    "nothing, in columns": lambda a: np.ones((*a.shape[:-1], 0), a.dtype),
    "nothing, 2**60 wide": lambda a: np.empty((0, 2**62 // a.itemsize)[: max(a.ndim, 1)], a.dtype),
    "nothing, 2**60 high": lambda a: np.empty((2**62 // a.itemsize, 0)[-max(a.ndim, 1) :], a.dtype),
    "2**62 bytes": lambda a: np.broadcast_to(np.ones((), a.dtype), (2**30, 2**32 // a.itemsize)[: max(a.ndim, 1)]),
    "NaN": lambda a: np.full(a.shape, np.nan if a.dtype.kind == "f" else 0, a.dtype),
    "infinity": lambda a: np.full(a.shape, -np.inf if a.dtype.kind == "f" else 1, a.dtype),
    "64 axes": lambda a: np.ones((1,) * 64, a.dtype),
}
"""Other numbers or shapes: an error, or what a plain copy gives."""

OTHER_TYPES = {
    "float64": lambda a: a.astype(np.float64),
    "float16": lambda a: a.astype(np.float16),
    "int8": lambda a: a.astype(np.int8),
    "int64": lambda a: a.astype(np.int64),
    "uint64": lambda a: np.abs(a).astype(np.uint64),
    "bool": lambda a: a.astype(bool),
    "complex64": lambda a: a.astype(np.complex64),
    "objects": lambda a: a.astype(object),
    "strings": lambda a: a.astype(str),
    "dates": lambda a: a.astype(np.int64).view("M8[s]"),
    "records": lambda a: np.zeros(a.shape, [("x", "f4")]),
    "a list": lambda a: a.tolist(),
    "None": lambda a: None,
    "text": lambda a: "text",
    "an object": lambda a: object(),
}
"""Other types: an error, or whatever NumPy computes for the type, but no crash."""


def attacks(a):
    """(name, the array changed, whether its values are the same)."""
    for name, change in SAME_VALUES.items():
        yield name, change(a), True
    for name, change in (OTHER_VALUES | OTHER_TYPES).items():
        yield name, change(a), False


def plain(value):
    """A contiguous native copy; an argument that is no array or too large to copy is returned unchanged."""
    if not isinstance(value, np.ndarray) or value.size > 2**20:
        return value
    return np.array(value, value.dtype.newbyteorder("="), order="C", subok=False)


def outcome(call, *arguments, **options):
    """("error", its kind) or ("value", what came). An error that is not clear passes through."""
    try:
        return "value", call(*arguments, **options)
    except CLEAR as error:
        assert str(error), f"{type(error).__name__} without a message"
        return "error", error


def bits(value):
    """All the bits of what an op returned, as something to compare."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return [bits(part) for part in value]
    array = value.data if isinstance(value, Tensor) else np.asarray(value)
    words = array.tolist() if array.dtype.hasobject else array.tobytes()
    return str(array.dtype), array.shape, words
