"""IDX files, the format of MNIST: a magic number, the dimensions, the elements, all big-endian."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from minidnn.files import atomic_write

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The third byte of the magic number -> the element type."""

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


MOST_UNPACKED, FREE_BYTES = 100, 1 << 26
"""Limits of unpacking, in multiples of the gzipped file's size and in bytes: gzip compresses zeros 1000 times."""


class IdxError(ValueError):
    """A file is not what the IDX format says; the message names the file and the fault."""


def load_idx(path: str | os.PathLike[str], mmap: bool = False) -> npt.NDArray[Any]:
    """The array in an IDX file, gzipped or not, in this machine's byte order.

    Args:
        mmap: map the file read-only instead of reading it, so that it may be larger than memory. Not for gzipped
            files; multi-byte numbers stay big-endian, as in the file.

    The file's content bounds the memory: nothing is allocated from the header alone, and a gzip stream is read at most
    one byte past the size in its header, which may be `MOST_UNPACKED` times the file.

    Raises:
        IdxError: a bad magic number or element type, a file shorter or longer than its dimensions say, dimensions that
            no file could fill, a truncated or damaged gzip stream.
        OSError: the file cannot be read.
    """
    path = Path(path)
    with open(path, "rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if mmap and zipped:
            raise IdxError(f"load_idx: {path} is gzipped and cannot be mapped; unpack it first")
        if mmap:
            return _map(path, file)
        if not zipped:
            return _parse(path, file)
        try:
            with gzip.open(file) as stream:
                return _parse(path, stream, max(FREE_BYTES, MOST_UNPACKED * os.fstat(file.fileno()).st_size))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise IdxError(f"load_idx: {path} is a damaged gzip file: {error}") from error


def save_idx(path: str | os.PathLike[str], array: npt.NDArray[Any]) -> None:
    """Writes an array as an IDX file, gzipped where the name ends in ``.gz``; the same array gives the same bytes.

    Raises:
        TypeError: the format has no code for the dtype; it knows uint8, int8, int16, int32, float32 and float64.
        ValueError: more than 255 axes or an axis of 2**32 and more.
        OSError: the file cannot be written.
    """
    array = np.asarray(array)
    codes = {np.dtype(name).newbyteorder("="): code for code, name in TYPES.items()}
    if (dtype := array.dtype.newbyteorder("=")) not in codes:
        known = ", ".join(map(str, codes))
        raise TypeError(f"save_idx: array is {array.dtype}, must be one of {known}")
    if max(array.shape, default=0) >= 2**32:
        raise ValueError(f"save_idx: array has shape {array.shape}, an axis must be below 2**32")
    content = struct.pack(f">HBB{array.ndim}I", 0, codes[dtype], array.ndim, *array.shape)
    content += array.astype(TYPES[codes[dtype]]).tobytes()
    atomic_write(path, gzip.compress(content, mtime=0) if Path(path).suffix == ".gz" else content)


def _header(path: Path, stream: IO[bytes] | gzip.GzipFile) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """The dtype, the shape, and their size in bytes, exact since Python's integers do not overflow."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise IdxError(f"load_idx: {path} is too short for an IDX file: {len(magic)} bytes")
    zero, kind, ndim = struct.unpack(">HBB", magic)
    if zero != 0 or kind not in TYPES:
        raise IdxError(f"load_idx: {path} has magic number 0x{magic.hex()}, which is not that of an IDX file")
    header = stream.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise IdxError(f"load_idx: {path} ends within its {ndim} dimensions")
    shape, dtype = struct.unpack(f">{ndim}I", header), np.dtype(TYPES[kind])
    return dtype, shape, math.prod(shape) * dtype.itemsize


def _parse(path: Path, stream: IO[bytes] | gzip.GzipFile, most: int | None = None) -> npt.NDArray[Any]:
    dtype, shape, expected = _header(path, stream)
    body = _read_up_to(stream, (expected if most is None else min(expected, most)) + 1)
    if most is not None and len(body) > most and expected > most:
        raise IdxError(
            f"load_idx: {path} has dimensions {shape}, which take {expected} bytes, more than {MOST_UNPACKED} times "
            "the file; unpack it with gunzip first if it is what you want"
        )
    if len(body) != expected:
        found = f"{len(body)} bytes" if len(body) < expected else "more"
        raise IdxError(f"load_idx: {path} has dimensions {shape}, which take {expected} bytes, but holds {found}")
    try:
        return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # too many axes, or one too long beside an empty one
        raise IdxError(f"load_idx: {path} has dimensions {shape}, which no array can have") from error


def _map(path: Path, file: IO[bytes]) -> npt.NDArray[Any]:
    dtype, shape, expected = _header(path, file)
    start = file.tell()
    if (found := os.fstat(file.fileno()).st_size - start) != expected:
        raise IdxError(f"load_idx: {path} has dimensions {shape}, which take {expected} bytes, but holds {found}")
    try:
        return np.memmap(file, dtype, "r", start, shape) if expected else np.empty(shape, dtype)
    except ValueError as error:
        raise IdxError(f"load_idx: {path} has dimensions {shape}, which no array can have") from error


def _read_up_to(stream: IO[bytes] | gzip.GzipFile, limit: int) -> bytes:
    """At most limit bytes, in chunks, since read(limit) may allocate limit bytes for a tiny file."""
    body = bytearray()
    while len(body) < limit and (chunk := stream.read(min(_CHUNK, limit - len(body)))):
        body += chunk
    return bytes(body)
