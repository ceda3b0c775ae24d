"""A fast fingerprint of an array, by which the tape detects changes in place."""

from __future__ import annotations

import zlib

import numpy as np

from minidnn.reference.types import Array

SAMPLES = 64


def fingerprint(array: Array) -> int:
    """A CRC-32 of a sample of the elements; 0 for a read-only array that owns its memory.

    The sample is all elements of an array of up to 64, otherwise 64 evenly spaced ones, the first and last included.
    """
    ours = array.base is None or type(array.base).__name__ == "PyCapsule"  # memory of compiled kernels
    if ours and not array.flags.writeable:
        return 0
    places = np.linspace(0, array.size - 1, min(array.size, SAMPLES)).astype(np.int64)
    return zlib.crc32(np.asarray(array.flat[places]).tobytes())
