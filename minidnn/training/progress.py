"""Progress display of a run."""

from __future__ import annotations

from typing import Any

from minidnn.standard_error import is_terminal, tell
from minidnn.training.run import Callback, Run

BAR = "{desc}|{bar}| {n_fmt}/{total_fmt}, {remaining}{postfix}"
"""Shorter than tqdm's default, so that loss and metric fit into 80 columns."""


class Progress(Callback):
    """Shows a progress bar if standard error is a terminal; otherwise prints one line per epoch to standard error."""

    place = 1
    observer = True
    alone = True

    def __init__(self) -> None:
        self._bar: Any = None
        self._loss = 0.0
        self._shown = 0

    def on_fit_begin(self, run: Run) -> None:
        self._bar, self._shown = None, 0
        if is_terminal():
            from tqdm import tqdm

            total, scale = run.steps_per_epoch * run.epochs, run.batch_size * run.accumulate
            self._bar = tqdm(total=total, unit="", unit_scale=scale, dynamic_ncols=True, bar_format=BAR)

    def on_step_end(self, run: Run) -> None:
        if self._bar is not None:
            # Smoothed: the loss of a single batch is noisy.
            self._loss = 0.98 * self._loss + 0.02 * run.loss if self._shown else run.loss
            new, self._shown = run.step - self._shown, run.step  # more than 1 after a resume
            if self._bar.update(new):
                self._bar.set_description(f"epoch {run.epoch}/{run.epochs}", refresh=False)
                self._bar.set_postfix_str(self._postfix(run), refresh=False)

    def on_epoch_end(self, run: Run) -> None:
        if self._bar is None:
            tell(self._line(run))

    def on_fit_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(self._postfix(run))
            self._bar.close()
        if run.stopping:
            tell(f"stopped in epoch {run.epoch}, step {run.step}: {run.stopping}")

    def _postfix(self, run: Run) -> str:
        parts = [f"loss={self._loss:.4f}"]
        if run.history.rows and len(names := _shown(run, run.history.rows[-1])) > 1:
            parts.append(f"{names[-1]}={run.history.rows[-1][names[-1]]:.4f}")
        return ", ".join(parts)

    def _line(self, run: Run) -> str:
        row = run.row
        values = ", ".join(f"{name} {row[name]:.4f}" for name in _shown(run, row))
        return f"epoch {run.epoch}/{run.epochs}: {values}, {row['examples_per_second']:,.0f} examples/s"


def _shown(run: Run, row: dict[str, Any]) -> list[str]:
    measures = [*run.measures, *(f"valid_{name}" for name in run.measures)]
    return [name for name in measures if row.get(name) is not None]
