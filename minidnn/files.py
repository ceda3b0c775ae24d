"""Writing files so that nothing is ever lost: the old file stays whole until the new one is."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Puts content at path, whole or not at all, whatever stops the program and whenever.

    A temporary file in the same folder is written and synced, takes the old file's mode, and replaces it in one step;
    then the folder is synced, so that the new name survives a power cut too.

    Raises:
        OSError: the disk is full, the folder is missing or not writeable; the old file is as it was.
    """
    import tempfile  # slow to import, so only where something is written

    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode_for(path))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Holds the lock that the file at path stands for, against other processes and threads; Windows goes without.

    The system gives it back whatever becomes of the process; the file itself, which is empty, stays.

    Raises:
        OSError: the file cannot be made.
    """
    with open(path, "ab") as file:
        if sys.platform != "win32":
            import fcntl

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
