"""Output of ``minidnn tune``: a line for each trial, and a picture of the study."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from minidnn.plot import COLOURS, INK, figure, legend, write

BASES = {"lr": 10, "layers": None, "size1": 2, "dropout": None}
"""Searched quantity -> the base of its axis if logarithmic, else None."""


def finished(study: Any) -> list[Any]:
    """The completed trials, in order."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def line(trial: Any, monitor: str) -> str:
    """One line for a trial: ``trial   3  valid_accuracy 0.9512  lr 0.0123, hidden 120,40, dropout 0.12``."""
    options = trial.user_attrs["options"]
    settings = f"lr {options['lr']:g}, hidden {','.join(map(str, options['hidden']))}, dropout {options['dropout']:g}"
    if "diverged" in trial.user_attrs:
        ended = "diverged"
    elif trial.state.name == "PRUNED":
        ended = f"{monitor} {trial.value:.4f}, pruned after epoch {trial.last_step}"
    else:
        ended = f"{monitor} {trial.value:.4f}"
    return f"trial {trial.number:3d}  {ended}  {settings}"


def draw(study: Any, path: str | os.PathLike[str], monitor: str) -> None:
    """Plots the trials' values over their numbers, with the best so far, and over each quantity that was varied.

    A pruned trial is a hollow marker at its last value, or at the edge of the plot where that is out of range.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: an unknown suffix.
        OSError: the file cannot be written.
    """
    ended = finished(study)
    given_up = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "PRUNED"]
    given_up = [trial for trial in given_up if trial.value is not None]  # else it diverged in its first epoch
    values = np.array([trial.value for trial in ended])
    room = 0.08 * (float(np.ptp(values)) or abs(float(values[0])) or 1.0)
    low, high = float(values.min()) - room, float(values.max()) + room
    varied = [name for name in BASES if len({trial.params.get(name) for trial in ended}) > 1]
    drawing, axes = figure(columns=1 + len(varied), width=3.0 * (1 + len(varied)) + 0.6)
    for axis, name in zip(axes, ["", *varied], strict=True):
        for trials, style in (
            (given_up, {"color": COLOURS[6], "markerfacecolor": "none", "label": "pruned"}),
            (ended, {"color": COLOURS[0], "label": "finished"}),
        ):
            points = [
                (trial.params[name] if name else trial.number, min(max(trial.value, low), high))
                for trial in trials
                if not name or name in trial.params
            ]
            if points:
                axis.plot(*zip(*points, strict=True), "o", markersize=5, **style)
        axis.set_ylim(low - room / 2, high + room / 2)
        axis.set_xlabel(name or "trial", color=INK, fontsize=9)
        if base := BASES.get(name):
            axis.set_xscale("log", base=base)
            axis.minorticks_off()
        if name == "size1":
            axis.xaxis.set_major_formatter("{x:g}")
        if name in ("", "layers"):
            axis.xaxis.get_major_locator().set_params(integer=True)
    best = np.maximum if study.direction.name == "MAXIMIZE" else np.minimum
    numbers = [trial.number for trial in ended]
    axes[0].step(numbers, best.accumulate(values), where="post", color=COLOURS[1], linewidth=1.8, label="best so far")
    axes[0].set_title(monitor, color=INK, fontsize=10, loc="left")
    legend(drawing)
    write(drawing, path)
