"""Atomic writing of files: the old file stays until the new one is complete."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.locks import LOCKS, try_lock
from minidnn.reference.types import Array

TEMPORARY = re.compile(r"\.minidnn-[0-9a-f]{16}\.tmp")
"""The names of temporary files, independent of the file's name, which may have the maximum length."""


def named_file(path: str | os.PathLike[str]) -> Path:
    """The path as a `Path`, which drops a slash at the end.

    Raises:
        IsADirectoryError: it ends with a slash, so it names a folder.
    """
    text = os.fspath(path)
    if text.endswith(("/", os.sep)):
        raise IsADirectoryError(errno.EISDIR, "The path of a file must not end with a slash", text)
    return Path(path)


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes content to path atomically: path never holds a partial file, even if the program is killed.

    A temporary file in the same folder is written and synced, gets the old file's mode (or rw-rw-rw- less the umask),
    and replaces it in one step; then the folder is synced, so that the new name survives a power failure. Temporary
    files of killed writers in that folder are removed. Links are followed. Devices, FIFOs and sockets are written to
    directly, since they cannot be replaced.

    Raises:
        OSError: the disk is full, the folder is missing or not writable; the old file is unchanged. The path ends with
            a slash.
    """
    path = named_file(path)
    try:
        if _is_stream(path):
            with open(path, "wb") as file:
                file.write(content)
            return
        path = Path(os.path.realpath(path))
        sweep(path.parent)
        _replace(path, content)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def sweep(folder: Path) -> None:
    """Removes the temporary files of killed writers from a folder; those of running writers are locked."""
    with os.scandir(folder) as entries:
        left = [entry.path for entry in entries if TEMPORARY.fullmatch(entry.name)]
    for path in left:
        with suppress(OSError):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue  # not a temporary file of ours
            handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if try_lock(handle):
                    os.unlink(path)
            finally:
                os.close(handle)


def checksum(text: str, arrays: Mapping[str, Array]) -> str:
    """The SHA-256 of a text and of named, contiguous arrays with their dtypes and shapes."""
    import hashlib  # slow to import

    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).data)
    return digest.hexdigest()


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, Array]]:
    """The metadata and the arrays of a ``.safetensors`` file; bfloat16, which NumPy lacks, becomes float32.

    The file is read into memory, not mapped: if another program truncates a mapped file, the process ends (SIGBUS).

    Raises:
        ValueError: the file is incomplete or not of this format, or a tensor, which the message names, has a dtype
            that NumPy lacks.
        OSError: it cannot be read.
    """
    import json

    from safetensors import SafetensorError, deserialize

    content = _whole(named_file(path))
    try:
        arrays = {name: _array(name, **tensor) for name, tensor in deserialize(content)}  # type: ignore[no-untyped-call]
        header: Any = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return dict(header.get("__metadata__") or {}), arrays


def _whole(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; only the first eight if they cannot be its header's length: /dev/zero never ends."""
    with open(path, "rb", buffering=0) as file:
        content = file.read(8)
        if LEAST_HEADER <= int.from_bytes(content, "little") <= LARGEST_HEADER:
            if file.seekable():
                file.seek(0)
                return file.readall()
            content += file.readall()
        return content


LEAST_HEADER, LARGEST_HEADER = 2, 100_000_000
"""The range of the length of a ``.safetensors`` header, in bytes."""


def _array(name: str, dtype: str, shape: list[int], data: bytes) -> Array:
    if dtype == "BF16":
        wide = np.frombuffer(data, "<u2").astype("<u4") << 16  # the upper half of a float32
        return wide.view("<f4").reshape(shape)
    if dtype not in DTYPES:
        raise ValueError(f"tensor {name!r} is {dtype}, must be one of BF16, {', '.join(DTYPES)}")
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


DTYPES = {
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    "BOOL": "?",
    "C64": "<c8",
}
"""The names of dtypes in ``.safetensors`` files, and NumPy's."""


def _is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether path is a device, FIFO or socket, which is written to instead of replaced."""
    if os.fspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True  # whatever the link points to
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _replace(path: Path, content: bytes) -> None:
    handle, name = _temporary(path)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if not LOCKS:
                file.close()
            os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _temporary(path: Path) -> tuple[int, str]:
    """A new file next to path, open and locked, with the mode of the file at path, so that nobody else can read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mode = None
    while True:
        name = str(path.parent / f".minidnn-{os.urandom(8).hex()}.tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(name, flags, 0o666 if mode is None else 0o600)  # the umask applies to 0o666
        except FileExistsError:
            continue
        try_lock(handle)
        if not os.fstat(handle).st_nlink:
            os.close(handle)  # swept before it was locked
            continue
        if mode is not None:
            _set_mode(handle, name, mode)
        return handle, name


def _set_mode(handle: int, name: str, mode: int) -> None:
    try:
        os.chmod(name, mode)
    except BaseException:
        os.close(handle)
        with suppress(OSError):
            os.unlink(name)
        raise


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
