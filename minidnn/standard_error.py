"""Standard error, which a program may not have: ``2>&-``, pythonw."""

import sys


def tell(text: str) -> None:
    """Writes a line, in one piece, since other processes may write too. ``print(file=None)`` would use stdout."""
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def is_terminal() -> bool:
    """Whether a person may be watching."""
    return sys.stderr is not None and sys.stderr.isatty()
