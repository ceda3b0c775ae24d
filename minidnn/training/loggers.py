"""Logs of a run, for other programs."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minidnn.files import atomic_write
from minidnn.training.run import Callback, Run


class CSVLogger(Callback):
    """Writes each epoch's row to a CSV file as soon as it is there.

    A column that begins late, as an average's may, is empty in the rows before; the file is then written anew.

    Args:
        path: the file; replaced at the start of a run unless append is set.
        append: add to the rows that are there, for a run that goes on.

    Raises:
        OSError: the file cannot be written.
        ValueError: append to a file that has columns which the run has not.
    """

    observer = True
    alone = True

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = Path(path)
        self.append = append

    def on_fit_begin(self, run: Run) -> None:
        self._seen = False
        if not ((self.append or run.resumed) and self.path.exists()):
            self.path.write_text("")

    def on_epoch_end(self, run: Run) -> None:
        rows = self._rows()
        head = rows[0] if rows else list(run.row)
        if not self._seen and (missing := [name for name in head if name not in (*run.row, *run.known_columns())]):
            raise ValueError(f"CSVLogger: {self.path} has columns {head}; the run has no {missing[0]!r}")
        self._seen = True
        if new := [name for name in run.row if name not in head]:
            head = [*head, *new]
            rows = [head, *([*row, *[""] * len(new)] for row in rows[1:])]
            self._write(rows)
        elif not rows:
            self._write([head])
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerow([run.row.get(name, "") for name in head])

    def _rows(self) -> list[list[str]]:
        with open(self.path, newline="") as file:
            return list(csv.reader(file))

    def _write(self, rows: list[list[str]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        atomic_write(self.path, text.getvalue().encode())

    def state_dict(self) -> dict[str, Any]:
        return {"rows": max(len(self._rows()) - 1, 0)}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        """Drops the rows that were written after the checkpoint."""
        rows = self._rows()
        if len(rows) > state["rows"] + 1:
            self._write(rows[: state["rows"] + 1] if state["rows"] else [])


class TensorBoard(Callback):
    """Writes each epoch's numbers for TensorBoard, through tensorboardX (the extra ``tensorboard``).

    Args:
        folder: of this run.

    Raises:
        ImportError: tensorboardX is missing; names the extra.
    """

    observer = True
    alone = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                'TensorBoard: needs tensorboardX; install it with: pip install "minidnn[tensorboard]"'
            ) from error
        self._make: Any = SummaryWriter
        self.folder = Path(folder)

    def on_fit_begin(self, run: Run) -> None:
        self._writer = self._make(str(self.folder))

    def on_epoch_end(self, run: Run) -> None:
        for name, value in run.row.items():
            if name not in ("epoch", "step") and value is not None:
                self._writer.add_scalar(name, value, run.step)
        self._writer.flush()

    def on_fit_end(self, run: Run) -> None:
        self._writer.close()
