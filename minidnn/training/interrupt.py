"""Ctrl-C that lets the step in hand finish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minidnn.training.run import Run

INTERRUPTED = "interrupted"


@contextmanager
def stop_on_interrupt(run: Run) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop after its step; a second one raises KeyboardInterrupt at once.

    Only the main thread can listen; in another one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        run.stop(INTERRUPTED)

    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
