"""Callbacks that write the history of a run to files: CSV and TensorBoard."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from minidnn.checks import positive_integer
from minidnn.files import atomic_write
from minidnn.nn import Module
from minidnn.training.run import Callback, Run


class CSVLogger(Callback):
    """Appends each epoch's row to a CSV file at the end of the epoch.

    If a new column starts in a later epoch, the file is rewritten, with empty cells in the earlier rows.

    Args:
        path: the file; replaced at the start of a run unless append is set or the run resumes.
        append: keep the rows of the file and append to them.

    Raises:
        OSError: the file cannot be written.
        ValueError: the file to append to has a column that the run lacks.
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
    """Writes each epoch's row for TensorBoard, through tensorboardX (the extra ``tensorboard``).

    Args:
        folder: log directory of this run.
        histograms: write a histogram of every parameter after each n-th epoch; None: none.
        graph: write the model's graph at the start of the run, through ONNX (the extra ``onnx``).
        images: a function; ``images(model)`` is written after each epoch: (n, h, w) or (n, h, w, channels), floats in
            [0, 1] or uint8.
        hyperparameters: name -> number, text or bool; written at the end of the run with its last row, to compare runs.

    Raises:
        ImportError: tensorboardX, or onnx for the graph, is missing; names the extra.
        TypeError: histograms is not an integer, images is not a function, or a hyperparameter has another type.
        ValueError: histograms below 1; at the end of an epoch: images of another shape.
    """

    observer = True
    alone = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        histograms: int | None = None,
        graph: bool = False,
        images: Callable[[Module], Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                'TensorBoard: needs tensorboardX; install it with: pip install "minidnn[tensorboard]"'
            ) from error
        if histograms is not None:
            positive_integer("TensorBoard", "histograms", histograms)
        if images is not None and not callable(images):
            raise TypeError(f"TensorBoard: images is {type(images).__name__}, must be a function of the model")
        for name, value in (hyperparameters or {}).items():
            if not isinstance(value, (bool, int, float, str)):
                raise TypeError(f"TensorBoard: hyperparameters[{name!r}] is {value!r}, must be a number, text or bool")
        self._make: Any = SummaryWriter
        self.folder = Path(folder)
        self.histograms, self.graph, self.images = histograms, graph, images
        self.hyperparameters = dict(hyperparameters or {})

    def on_fit_begin(self, run: Run) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            if self.graph:  # a model that cannot be exported raises before anything is written
                from minidnn.convert import to_onnx

                to_onnx(run.model, path)
            self._writer = self._make(str(self.folder))
            if self.graph:
                self._writer.add_onnx_graph(str(path))

    def on_epoch_end(self, run: Run) -> None:
        for name, value in run.row.items():
            if name not in ("epoch", "step") and value is not None:
                self._writer.add_scalar(name, value, run.step)
        if self.histograms and run.epoch % self.histograms == 0:
            for name, param in run.model.named_parameters():
                self._writer.add_histogram(name, param._data, run.step)
        if self.images is not None:
            shown = np.asarray(self.images(run.model))
            if shown.ndim not in (3, 4):
                raise ValueError(
                    f"TensorBoard: images has shape {shown.shape}, must be (n, h, w) or (n, h, w, channels)"
                )
            shown = shown if shown.ndim == 4 else shown[..., None]
            self._writer.add_images("images", shown, run.step, dataformats="NHWC")
        self._writer.flush()

    def on_fit_end(self, run: Run) -> None:
        if self.hyperparameters and len(run.history):
            last = {name: value for name, value in run.history.rows[-1].items() if isinstance(value, (int, float))}
            self._writer.add_hparams(self.hyperparameters, last, name="hyperparameters", global_step=run.step)
        self._writer.close()
