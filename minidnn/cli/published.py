"""Runs the notebook's five experiments and compares them with its published results."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from minidnn import data, manual_seed, plot
from minidnn.columns import columns
from minidnn.standard_error import is_terminal

NAMES = ("lr-schedule", "l1-manual", "l1-per-layer", "dropout", "max-norm")


@dataclass(frozen=True)
class Outcome:
    """Test accuracies of one experiment.

    Attributes:
        published: epoch -> accuracy, for the epochs that the notebook shows.
        runs: for each seed, the accuracy after each epoch.
    """

    name: str
    published: Mapping[int, float]
    runs: Sequence[Sequence[float]]
    seconds: float

    @property
    def verdict(self) -> str:
        """Whether the published accuracy after the last epoch lies in, below or above the range of our runs."""
        ours, last = [run[-1] for run in self.runs], len(self.runs[0])
        if last not in self.published:
            return "not comparable: no accuracy is published for the last epoch"
        if self.published[last] > max(ours):
            return "published lies above our range"
        return "published lies below our range" if self.published[last] < min(ours) else "published lies in our range"

    def table(self) -> str:
        rows: list[Sequence[str]] = [("epoch", "published", "median", "lowest", "highest")]
        for epoch, ours in enumerate(zip(*self.runs, strict=True), start=1):
            published = f"{self.published[epoch]:.4f}" if epoch in self.published else ""
            rows.append((str(epoch), published, *(f"{f(ours):.4f}" for f in (median, min, max))))
        return columns(rows, left=())

    def document(self) -> dict[str, Any]:
        return {
            "published": {str(epoch): accuracy for epoch, accuracy in self.published.items()},
            "runs": [list(run) for run in self.runs],
            "median": [median(ours) for ours in zip(*self.runs, strict=True)],
            "verdict": self.verdict,
            "seconds": round(self.seconds, 1),
        }

    def report(self) -> str:
        return f"{self.table()}\n{self.verdict}"

    def draw(self, path: str | os.PathLike[str]) -> None:
        plot.reproduction(self.published, self.runs, path, self.name)


def reproduce(name: str, mnist: data.Splits, seeds: int, epochs: int | None) -> Outcome:
    """Runs the experiment with each seed.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; `fit` then stops early, with fewer epochs.
    """
    experiment = importlib.import_module(f"minidnn.notebook.{name.replace('-', '_')}")
    epochs = epochs or experiment.EPOCHS
    print(f"{name}: {epochs} epochs, seeds 0 to {seeds - 1}", flush=True)
    runs, start = [], time.perf_counter()
    for seed in range(seeds):
        manual_seed(seed)
        began = time.perf_counter()
        accuracies = experiment.run(mnist, epochs, progress=is_terminal())
        if len(accuracies) < epochs:
            raise KeyboardInterrupt
        runs.append(accuracies)
        print(
            f"seed {seed}: {accuracies[-1]:.4f} after {epochs} epochs, {time.perf_counter() - began:.1f} s", flush=True
        )
    return Outcome(name, experiment.PUBLISHED, runs, time.perf_counter() - start)
