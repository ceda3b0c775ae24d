"""A study: several methods compared over a range, over several seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from minidnn.columns import columns

if TYPE_CHECKING:
    from minidnn.training import History

Runs = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Study:
    """The results of a lesson, such as ``minidnn reproduce transfer``.

    The gain of a method is the difference to the baseline with the same seed, so that variation that affects both
    (examples, initial weights) does not add to the spread.

    Attributes:
        name: the stem of the files' names.
        title: the title of the picture and the table.
        x_label: the name of the quantity that varies, such as "labels per class".
        x: the values of that quantity.
        runs: method -> the test accuracies over x, for each seed. The first method is the baseline.
        measured: other measurements by name, such as "frozen, ms per step"; printed below the table.
        notes: lines of text printed last.
        bottom: the lower end of the picture's y axis; None shows all values.
        measure: the name of the measured quantity.
        log: whether the picture's y axis is logarithmic.

    Raises:
        ValueError: there are no methods or seeds, x is empty, or a run has another length.
    """

    name: str
    title: str
    x_label: str
    x: Sequence[float]
    runs: Mapping[str, Runs]
    measured: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    bottom: float | None = None
    measure: str = "test accuracy"
    log: bool = False

    def __post_init__(self) -> None:
        if not self.runs or not self.x:
            raise ValueError(f"Study: {self.name} has no methods, or x is empty")
        seeds = len(next(iter(self.runs.values())))
        for method, runs in self.runs.items():
            if not runs or len(runs) != seeds or any(len(run) != len(self.x) for run in runs):
                raise ValueError(f"Study: {method!r} must have {seeds} runs (at least 1) of {len(self.x)} accuracies")

    @property
    def baseline(self) -> str:
        """The method that the others are compared with."""
        return next(iter(self.runs))

    def over_seeds(self, method: str) -> list[list[float]]:
        """The accuracies over the seeds, for each x."""
        return [list(values) for values in zip(*self.runs[method], strict=True)]

    def gains(self, method: str) -> list[list[float]]:
        """The gains over the baseline with the same seed: a list over the seeds, for each x."""
        pairs = zip(self.over_seeds(method), self.over_seeds(self.baseline), strict=True)
        return [[a - b for a, b in zip(ours, base, strict=True)] for ours, base in pairs]

    def table(self) -> str:
        """Median and range of each method, and of its gain over the baseline, for each x."""
        rows = [(self.x_label, "method", "median", "lowest", "highest", "gain", "lowest", "highest")]
        for i, x in enumerate(self.x):
            for method in self.runs:
                ours, gains = self.over_seeds(method)[i], _spread(self.gains(method)[i])
                first = method == self.baseline
                gained = [""] * 3 if first else map("{:+.4f}".format, gains)
                rows.append((f"{x:g}" if first else "", method, *map("{:.4f}".format, _spread(ours)), *gained))
        return columns(rows, left=(1,))

    def report(self) -> str:
        """The table, the other measurements and the notes, as text."""
        measured = [f"{name}: {value:.4g}" for name, value in self.measured.items()]
        return "\n".join([f"{self.title}, {self._seeds()}", self.table(), *measured, *self.notes])

    def document(self) -> dict[str, Any]:
        """The study as a dict of JSON values."""
        return {
            "title": self.title,
            "x_label": self.x_label,
            "x": list(self.x),
            "baseline": self.baseline,
            "methods": {
                method: {
                    "runs": [list(run) for run in runs],
                    "median": [median(values) for values in self.over_seeds(method)],
                    "median_gain": [median(values) for values in self.gains(method)],
                }
                for method, runs in self.runs.items()
            },
            "measured": dict(self.measured),
            "notes": list(self.notes),
            "bottom": self.bottom,
            "measure": self.measure,
            "log": self.log,
        }

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any]) -> Study:
        """The study of that name, from its `document`."""
        runs = {method: entry["runs"] for method, entry in document["methods"].items()}
        kept = {key: document[key] for key in ("title", "x_label", "x", "measured", "notes")}
        shown = {key: document[key] for key in ("bottom", "measure", "log") if key in document}
        return cls(name, runs=runs, **kept, **shown)

    def draw(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws medians and ranges over x; see `minidnn.plot.study`."""
        from minidnn import plot

        return plot.study(self, path)

    def _seeds(self) -> str:
        count = len(self.runs[self.baseline])
        return "one seed" if count == 1 else f"{count} seeds"


def uninterrupted(history: History) -> History:
    """The history of a run that was not interrupted.

    Raises:
        KeyboardInterrupt: the run was interrupted by Ctrl-C, which ends only that run in `training.fit`.
    """
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return history


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), min(values), max(values)
