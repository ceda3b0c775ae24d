"""Writing files so that nothing is ever lost: the old file stays whole until the new one is."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from minidnn.reference.types import Array

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    LOCKS = False
else:
    LOCKS = True


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Puts content at path, whole or not at all, whatever stops the program and whenever.

    A temporary file in the same folder is written and synced, takes the old file's mode, and replaces it in one step;
    then the folder is synced, so that the new name survives a power cut too. What killed writers of the same path left
    is removed. A link is followed.

    Raises:
        OSError: the disk is full, the folder is missing or not writeable; the old file is as it was.
    """
    path = Path(os.path.realpath(path))
    try:
        sweep(path.parent, glob.escape(path.name))
        _replace(path, content)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def sweep(folder: Path, pattern: str) -> None:
    """Removes the temporary files that killed writers left; those of living ones are locked."""
    for path in folder.glob(f".{pattern}.*.tmp"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if _lock(handle):
                    path.unlink()
            finally:
                os.close(handle)


def checksum(text: str, arrays: Mapping[str, Array]) -> str:
    """The SHA-256 of a text and of named, contiguous arrays with their dtypes and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).data)
    return digest.hexdigest()


def _replace(path: Path, content: bytes) -> None:
    handle, name = _temporary(path)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, _mode_for(path))
            if not LOCKS:
                file.close()
            os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _temporary(path: Path) -> tuple[int, str]:
    """A new file beside path, open and locked."""
    import tempfile  # slow to import, so only where something is written

    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        _lock(handle)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # swept before it was locked


def _lock(handle: int) -> bool:
    """Takes the lock of an open file, which ends with the process; False where another has it, or there are none."""
    if LOCKS:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Holds the lock that the file at path stands for, against other processes and threads; Windows goes without.

    The system gives it back whatever becomes of the process; the file itself, which is empty, stays.

    Raises:
        OSError: the file cannot be made.
    """
    with open(path, "ab") as file:
        if LOCKS:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mode_for(path: Path) -> int:
    """The mode of the file that is there, else what the umask leaves of rw-rw-rw-."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
