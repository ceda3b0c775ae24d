"""Ctrl-C that lets the step in hand finish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minidnn.training.run import Run


@contextmanager
def stop_on_interrupt(run: Run) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop after its step; a second one raises KeyboardInterrupt at once.

    Only the main thread can listen; in another one nothing changes, nor where a program that Python is embedded in has
    a handler of its own, or the user has.
    """
    before = signal.getsignal(signal.SIGINT)
    listens = threading.current_thread() is threading.main_thread() and before is signal.default_int_handler
    if not listens:
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        run.stop("interrupted")

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
