"""The record of a training run."""

from __future__ import annotations

import os
from html import escape
from typing import Any


class History:
    """One row for each finished epoch, and why the run stopped.

    Attributes:
        rows: dicts with epoch, step, lr; loss (penalties and weights included) and the metrics, over the epoch's
            examples in training mode; seconds and examples_per_second (training only); with a validation set also
            valid_loss and valid_NAME for each metric. Callbacks may add columns.
        stopped: why the run stopped early; None for a run that completed all epochs.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.stopped: str | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """One column over the epochs.

        Raises:
            KeyError: no row has it; the message lists the columns.
        """
        if self.rows and not any(column in row for row in self.rows):
            raise KeyError(f"History: no column {column!r}; there are {', '.join(self.columns)}")
        return [row.get(column) for row in self.rows]

    @property
    def columns(self) -> list[str]:
        """The names of all columns, including those that start in a later row."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws loss and accuracy over the epochs; see `minidnn.plot.learning_curves`."""
        from minidnn import plot

        return plot.learning_curves(self, path)

    def __repr__(self) -> str:
        last = f", last={self.rows[-1]!r}" if self.rows else ""
        return f"History(epochs={len(self.rows)}, stopped={self.stopped!r}{last})"

    def _repr_html_(self) -> str:
        """A table of the rows, for notebooks; names and values are escaped."""
        columns = self.columns
        lines = ["".join(f"<th>{escape(name)}</th>" for name in columns)]
        lines += ["".join(f"<td>{escape(_shown(row.get(name)))}</td>" for name in columns) for row in self.rows]
        ended = "" if self.stopped is None else f"<p>stopped: {escape(self.stopped)}</p>"
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>{ended}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
