"""A line for each epoch of ``minidnn train``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from minidnn import training
from minidnn.standard_error import is_terminal

FIRST = {"epoch": "{:d}", "lr": "{:.5f}"}
LEFT_OUT = ("step", "seconds", "examples_per_second")
NARROWEST, GAP, WIDEST = 6, 2, 80


class Table(training.Callback):
    """Prints epoch, learning rate, losses and metrics under a header, within the terminal's width.

    The test loss is never shown; columns on the right that do not fit are left out.
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
        if is_terminal():
            from tqdm import tqdm

            tqdm.write(line)  # above the progress bar
        else:
            print(line, flush=True)


def columns(row: dict[str, object], width: int) -> list[str]:
    """The names of the columns that fit into the width: epoch, lr, and the losses and metrics except test_loss."""
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
