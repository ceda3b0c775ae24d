"""Reads NumPy's .npy files, without pickle and without trusting their header."""

from __future__ import annotations

import io
import math
import os
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

LONGEST_HEADER = 1 << 16


class NpyError(ValueError):
    """A file that is no .npy file of numbers; the message names the file and the fault."""


def load_npy(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The array of numbers in a ``.npy`` file. Nothing is allocated from the header alone.

    Raises:
        NpyError: another kind of file, objects or text, a file shorter or longer than its shape says.
        OSError: the file cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        head = io.BytesIO(file.read(LONGEST_HEADER))  # NumPy cannot read past its end
        try:
            shape, fortran, dtype = _header(head)
        except Exception as error:  # NumPy's reader of headers raises whatever Python's parser does
            raise NpyError(
                f"load_npy: {path} is not a .npy file of numbers: {' '.join(str(error).split())[:200]}"
            ) from error
        if dtype.hasobject:
            raise NpyError(f"load_npy: {path} is not a .npy file of numbers: it holds objects")
        if dtype.kind not in "fiub":
            raise NpyError(f"load_npy: {path} holds {dtype}, must be numbers")
        file.seek(head.tell())
        expected = math.prod(shape) * dtype.itemsize
        if (found := os.fstat(file.fileno()).st_size - file.tell()) != expected:
            raise NpyError(f"load_npy: {path} has shape {shape}, which takes {expected} bytes, but holds {found}")
        try:
            array = np.frombuffer(file.read(expected), dtype).reshape(shape, order="F" if fortran else "C")
        except ValueError as error:
            raise NpyError(f"load_npy: {path} has shape {shape}, which no array can have") from error
    return np.asarray(array, dtype.newbyteorder("="))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # files of Python 2 are read, too
        return _parsed(file)


def _parsed(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)  # type: ignore[no-untyped-call, unused-ignore]
    if version == (1, 0):
        return npy.read_array_header_1_0(file)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]
    if version in ((2, 0), (3, 0)):
        return npy.read_array_header_2_0(file)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]
    raise ValueError(f"it is of version {version}")
