"""File locks, which the operating system releases when the process ends for any reason."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    LOCKS = False
else:
    LOCKS = True

LOCK = ".minidnn.lock"
"""The file in a folder in use; its content names the holder."""

logger = logging.getLogger("minidnn")


class InUseError(OSError):
    """Another program, or another run in this process, uses the folder; the message names it."""


def try_lock(handle: int) -> bool:
    """Locks an open file; False if another process or thread holds the lock, or the platform has no locks."""
    if LOCKS:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Holds an exclusive lock on the file at path, against other processes and threads; no lock on Windows.

    Waits for the lock, after logging a warning. The file is empty and remains.

    Raises:
        OSError: the file cannot be created.
    """
    with open(path, "ab") as file:
        if LOCKS and not try_lock(file.fileno()):
            logger.warning("waiting for %s, which another process or thread has locked", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def in_use(folder: str | os.PathLike[str], owner: str) -> Iterator[None]:
    """Locks a folder for exclusive use, against other processes and threads; no lock on Windows.

    Meanwhile a file in the folder names the holder; it is removed afterwards. The file of a killed process is reused.

    Args:
        folder: an existing folder.
        owner: the caller's name, with which the error message starts.

    Raises:
        InUseError: the folder is in use; the message names process, host, program and time.
        OSError: the file cannot be created, or a link or a folder has its name.
    """
    path = Path(folder) / LOCK
    handle = _hold(path, owner)
    try:
        with suppress(OSError):  # the lock holds even if a full disk prevents the note
            os.ftruncate(handle, 0)
            os.write(handle, _who().encode(errors="replace"))
        yield
    finally:
        with suppress(OSError):  # the folder may be gone, or read-only by now
            path.unlink()
        os.close(handle)


def _hold(path: Path, owner: str) -> int:
    """The file at path, open and locked."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:  # a link or a folder: never write to its target
            if error.errno not in (errno.ELOOP, errno.EISDIR):
                raise
            raise OSError(error.errno, f"{owner}: the lock of this folder must be a plain file", str(path)) from error
        try:
            if LOCKS and not try_lock(handle):
                who = os.pread(handle, 1000, 0).decode(errors="replace") or "another process"
                raise InUseError(f"{owner}: {path.parent} is in use by {who}; wait until it ends, or choose another")
            if os.fstat(handle).st_nlink:
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its owner removed it before we locked it


def _who() -> str:
    import socket  # both are slow to import, so only when something is locked
    from datetime import datetime

    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    return f"process {os.getpid()} on {socket.gethostname()} ({program}), since {datetime.now():%Y-%m-%d %H:%M:%S}"
