"""A thread that makes batches ahead of their consumer."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event, Thread, current_thread
from typing import Any, Generic, TypeVar

from minidnn import kernels

T = TypeVar("T")


class Prefetch(Generic[T]):
    """The items of an iterator, made by a separate thread while earlier ones are used.

    Order, items and backend are the same as without the thread. An exception of the iterator is raised in place of its
    item. The thread ends with the iterator, with this object or with the program, or when it is closed.

    Args:
        source: from now on only the thread uses it.
        ahead: how many items may wait, at least 1.

    Raises:
        RuntimeError: used in a process forked after it was made; the thread is only in the parent.
    """

    def __init__(self, source: Iterator[T], ahead: int = 2) -> None:
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._wanted: SimpleQueue[None] = SimpleQueue()
        self._process = os.getpid()
        stop = Event()
        thread = Thread(
            target=_make,
            args=(source, self._items, self._wanted, stop, kernels.backend()),
            name="minidnn-prefetch",
            daemon=True,  # the finalizer below ends it, which Python calls too late for other threads
        )
        self._close = weakref.finalize(self, _end, thread, self._wanted, stop)
        for _ in range(ahead):
            self._wanted.put(None)
        thread.start()

    def __iter__(self) -> Prefetch[T]:
        return self

    def __next__(self) -> T:
        if not self._close.alive:
            raise StopIteration
        if os.getpid() != self._process:
            raise RuntimeError("batches: these were begun before the process was forked; begin anew in the child")
        item, error = self._items.get()
        if error is not None:
            self.close()
            raise error
        self._wanted.put(None)
        return item

    def close(self) -> None:
        """Ends the thread, which finishes the current item."""
        self._close()


def _make(source: Any, items: SimpleQueue[Any], wanted: SimpleQueue[None], stop: Event, backend: Any) -> None:
    """Puts (item, None), at last (None, error), which is StopIteration where all went well."""
    try:
        with kernels.use_backend(backend):
            while True:
                wanted.get()
                if stop.is_set():
                    raise StopIteration
                items.put((next(source), None))
    except BaseException as error:
        items.put((None, error))


def _end(thread: Thread, wanted: SimpleQueue[None], stop: Event) -> None:
    stop.set()
    wanted.put(None)
    if thread is not current_thread():  # where the garbage collector may have come upon the consumer
        thread.join()
