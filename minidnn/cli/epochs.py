"""A line for each epoch of ``minidnn train``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable

from minidnn import training

FIRST = {"epoch": "{:d}", "lr": "{:.5f}"}
LEFT_OUT = ("step", "seconds", "examples_per_second")
NARROWEST, GAP, WIDEST = 6, 2, 80


class Table(training.Callback):
    """Epoch, learning rate and what was measured, under a head of the same widths, in the terminal's width.

    What has no room is left out: of what was measured the losses of test data, then the columns to the right.
    """

    observer = True
    alone = True

    def __init__(self) -> None:
        self._names: list[str] = []

    def on_epoch_end(self, run: training.Run) -> None:
        if not self._names:
            self._names = columns(run.row, shutil.get_terminal_size((WIDEST, 24)).columns)
            self._print(self._names)
        self._print(FIRST.get(name, "{:.4f}").format(run.row[name]) for name in self._names)

    def _print(self, cells: Iterable[str]) -> None:
        line = (" " * GAP).join(
            f"{cell:>{max(len(name), NARROWEST)}}" for cell, name in zip(cells, self._names, strict=True)
        )
        if sys.stderr.isatty():
            from tqdm import tqdm

            tqdm.write(line)  # above the progress bar
        else:
            print(line, flush=True)


def columns(row: dict[str, object], width: int) -> list[str]:
    """The names of those columns of a row that fit: numbers that change from epoch to epoch."""
    measured = [
        name
        for name, value in row.items()
        if name not in (*FIRST, *LEFT_OUT) and isinstance(value, float) and name != "test_loss"
    ]
    names: list[str] = []
    for name in (*FIRST, *measured):
        if sum(max(len(n), NARROWEST) + GAP for n in (*names, name)) - GAP <= width:
            names.append(name)
    return names
