"""A cheap fingerprint of an array, by which the tape sees that a value it needs was changed in place."""

from __future__ import annotations

import zlib

import numpy as np

from minidnn.reference.types import Array

SAMPLES = 64


def fingerprint(array: Array) -> int:
    """A number that changes when the whole array does; 0 for one that nobody can write to.

    Arrays of up to 64 elements are read whole, larger ones at 64 places spread evenly, first and last included.
    """
    ours = array.base is None or type(array.base).__name__ == "PyCapsule"  # the memory of compiled results
    if ours and not array.flags.writeable:
        return 0
    places = np.linspace(0, array.size - 1, min(array.size, SAMPLES)).astype(np.int64)
    return zlib.crc32(np.asarray(array.flat[places]).tobytes())
