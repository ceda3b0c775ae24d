"""Locks on files, which the system gives back whatever becomes of the process."""

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
"""The file in a folder in use; it says by whom."""

logger = logging.getLogger("minidnn")


class InUseError(OSError):
    """Another program, or another run in this one, has the folder; the message says which."""


def try_lock(handle: int) -> bool:
    """Takes the lock of an open file; False where another has it, or there are none."""
    if LOCKS:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


@contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Holds the lock that the file at path stands for, against other processes and threads; Windows goes without.

    Waits for it, and logs a warning that it does. The file itself, which is empty, stays.

    Raises:
        OSError: the file cannot be made.
    """
    with open(path, "ab") as file:
        if LOCKS and not try_lock(file.fileno()):
            logger.warning("waiting for %s, which another process or thread has locked", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def in_use(folder: str | os.PathLike[str], owner: str) -> Iterator[None]:
    """Holds a folder for one user alone, against other processes and threads; Windows goes without.

    While it is held a file in the folder says by whom; afterwards it is gone. That of a killed process is taken over.

    Args:
        folder: exists.
        owner: who asks, as the error shall begin.

    Raises:
        InUseError: another has it; the message names process, host, program and time.
        OSError: the file cannot be made, or there is a link or a folder of its name.
    """
    path = Path(folder) / LOCK
    handle = _hold(path, owner)
    try:
        with suppress(OSError):  # a full disk does not keep anyone from being alone
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
        except OSError as error:  # a link or a folder: whatever it leads to is not ours to write to
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
    import socket  # both slow to import, so only where something is locked
    from datetime import datetime

    program = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    return f"process {os.getpid()} on {socket.gethostname()} ({program}), since {datetime.now():%Y-%m-%d %H:%M:%S}"
