"""Logs of a run, for other programs."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minidnn.training.run import Callback, Run


class CSVLogger(Callback):
    """Writes each epoch's row to a CSV file as soon as it is there.

    Args:
        path: the file; replaced at the start of a run unless append is set.
        append: add to the rows that are there, for a run that goes on.

    Raises:
        OSError: the file cannot be written.
        ValueError: append to a file whose columns are others.
    """

    observer = True

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = Path(path)
        self.append = append

    def on_fit_begin(self, run: Run) -> None:
        if not ((self.append or run.resumed) and self.path.exists()):
            self.path.write_text("")

    def on_epoch_end(self, run: Run) -> None:
        columns = list(run.row)
        with open(self.path, "r+", newline="") as file:
            head = next(csv.reader(file), None)
            if head is not None and head != columns:
                raise ValueError(f"CSVLogger: {self.path} has columns {head}, the run has {columns}")
            file.seek(0, os.SEEK_END)
            writer = csv.writer(file)
            if head is None:
                writer.writerow(columns)
            writer.writerow(run.row.values())

    def state_dict(self) -> dict[str, Any]:
        return {"size": self.path.stat().st_size}

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        """Drops the rows that were written after the checkpoint."""
        with open(self.path, "r+") as file:
            file.truncate(min(state["size"], self.path.stat().st_size))


class TensorBoard(Callback):
    """Writes each epoch's numbers for TensorBoard, through tensorboardX (the extra ``tensorboard``).

    Args:
        folder: of this run.

    Raises:
        ImportError: tensorboardX is missing; names the extra.
    """

    observer = True

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
            if name not in ("epoch", "step"):
                self._writer.add_scalar(name, value, run.step)
        self._writer.flush()

    def on_fit_end(self, run: Run) -> None:
        self._writer.close()
