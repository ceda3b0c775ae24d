"""The end of a run, however it ended."""

from __future__ import annotations

from collections.abc import Sequence

from minidnn.training.run import Callback, Run


def end_all(callbacks: Sequence[Callback], run: Run) -> None:
    """Calls ``on_fit_end`` of every callback, even after one raises; then raises the first error.

    Further errors are added to its notes.
    """
    errors: list[BaseException] = []
    for callback in callbacks:
        try:
            callback.on_fit_end(run)
        except BaseException as error:
            errors.append(error)
    if errors:
        first, *others = errors
        for other in others:
            first.add_note(f"another callback raised in on_fit_end, too: {type(other).__name__}: {other}")
        raise first
