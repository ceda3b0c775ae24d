"""Ctrl-C and the interpreter's exit stop a run after its current step."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minidnn.training.run import Run

INTERRUPTED = "interrupted"

GRACE = 10.0
"""Maximum wait in seconds at interpreter exit for the current step of each run in another thread."""


class _Others:
    """The runs outside of the main thread."""

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Run, threading.Event]] = {}
        self._exiting = False

    @contextmanager
    def one(self, run: Run) -> Iterator[None]:
        ended = threading.Event()
        self._runs[id(run)] = run, ended
        if self._exiting:
            run.stop("the interpreter exits")
        try:
            yield
        finally:
            del self._runs[id(run)]
            ended.set()

    def end(self) -> None:
        """Stops the runs and waits: a daemon thread that returns from a kernel after exit would end the process."""
        self._exiting = True
        waiting = list(self._runs.values())
        for run, _ in waiting:
            run.stop("the interpreter exits")
        for _, ended in waiting:
            ended.wait(GRACE)


_others = _Others()
atexit.register(_others.end)  # non-daemon threads have ended by then


@contextmanager
def stop_on_interrupt(run: Run) -> Iterator[None]:
    """The first Ctrl-C stops the run after its current step; a second one raises KeyboardInterrupt at once.

    Only the main thread can handle signals; a SIGINT handler of the user or of an embedding program is kept. A run in
    another thread is stopped at interpreter exit, so it can write its last checkpoint.
    """
    if threading.current_thread() is not threading.main_thread():
        with _others.one(run):
            yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        run.stop(INTERRUPTED)

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
