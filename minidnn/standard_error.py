"""Writes to standard error, which may be missing (``2>&-``, pythonw)."""

import sys


def tell(text: str) -> None:
    """Writes a line by a single call, since other processes may write too. ``print(file=None)`` would use stdout."""
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def is_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()
