"""``minidnn reproduce``: the notebook's five experiments, over several seeds, beside what it published."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from minidnn import __version__, data, kernels, manual_seed, plot, set_num_threads
from minidnn.cli import types
from minidnn.files import atomic_write

NAMES = ("lr-schedule", "l1-manual", "l1-per-layer", "dropout", "max-norm")


@dataclass(frozen=True)
class Outcome:
    """Test accuracies of one experiment.

    Attributes:
        published: epoch -> accuracy, as far as the notebook shows it.
        runs: a list over the epochs for each seed.
    """

    name: str
    published: Mapping[int, float]
    runs: Sequence[Sequence[float]]
    seconds: float

    @property
    def verdict(self) -> str:
        """Where the published accuracy after the last epoch lies: within the range of ours, below it, or above it."""
        ours, last = [run[-1] for run in self.runs], len(self.runs[0])
        if last not in self.published:
            return "not comparable, as nothing is published for the last epoch run"
        if self.published[last] > max(ours):
            return "published lies above our range"
        return "published lies below our range" if self.published[last] < min(ours) else "published lies in our range"

    def table(self) -> str:
        lines = [" epoch  published  median  lowest  highest"]
        for epoch, ours in enumerate(zip(*self.runs, strict=True), start=1):
            published = f"{self.published[epoch]:.4f}" if epoch in self.published else ""
            lines.append(f"{epoch:6d}  {published:>9}  {median(ours):.4f}  {min(ours):.4f}  {max(ours):7.4f}")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        return {
            "published": {str(epoch): accuracy for epoch, accuracy in self.published.items()},
            "runs": [list(run) for run in self.runs],
            "median": [median(ours) for ours in zip(*self.runs, strict=True)],
            "verdict": self.verdict,
            "seconds": round(self.seconds, 1),
        }


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "reproduce",
        help="run the notebook's experiments on MNIST",
        description="Trains the notebook's networks on MNIST over several seeds, and prints the published test "
        f"accuracies beside ours. The experiments: {', '.join(NAMES)}. Leaves results.json and a picture for each.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", default=["all"], help="an experiment, or all of them")
    parser.add_argument("--seeds", type=types.count, default=5, help="how many; they are 0, 1, 2, ...")
    parser.add_argument("--epochs", type=types.count, help="fewer or more than published")
    parser.add_argument("--threads", type=types.count, help="at most; all by default; the results are the same bytes")
    parser.add_argument("--output", type=Path, default=Path("runs/reproduce"), help="folder for results and pictures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    names = NAMES if "all" in arguments.names else arguments.names
    for name in names:
        if name not in NAMES:
            raise ValueError(f"no experiment is called {name!r}; there are {', '.join(NAMES)}, and all")
    if arguments.threads:
        set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    mnist = data.load_mnist()
    outcomes = []
    try:
        for name in names:
            outcomes.append(_outcome(name, mnist, arguments.seeds, arguments.epochs))
            print(f"{outcomes[-1].table()}\n{outcomes[-1].verdict}\n", flush=True)
            _write(arguments, outcomes)
    except KeyboardInterrupt:
        print("stopped: interrupted", file=sys.stderr)
        return 130
    print(f"saved {arguments.output / 'results.json'}")
    return 0


def _outcome(name: str, mnist: data.Splits, seeds: int, epochs: int | None) -> Outcome:
    """Runs the experiment with each seed.

    Raises:
        KeyboardInterrupt: Ctrl-C came; `fit` took it for a wish to stop, and has fewer epochs.
    """
    experiment = importlib.import_module(f"minidnn.notebook.{name.replace('-', '_')}")
    epochs = epochs or experiment.EPOCHS
    print(f"{name}: {epochs} epochs, seeds 0 to {seeds - 1}", flush=True)
    runs, start = [], time.perf_counter()
    for seed in range(seeds):
        manual_seed(seed)
        began = time.perf_counter()
        accuracies = experiment.run(mnist, epochs, progress=sys.stderr.isatty())
        if len(accuracies) < epochs:
            raise KeyboardInterrupt
        runs.append(accuracies)
        print(
            f"seed {seed}: {accuracies[-1]:.4f} after {epochs} epochs, {time.perf_counter() - began:.1f} s", flush=True
        )
    return Outcome(name, experiment.PUBLISHED, runs, time.perf_counter() - start)


def _write(arguments: argparse.Namespace, outcomes: Sequence[Outcome]) -> None:
    document = {
        "minidnn": __version__,
        "isa": kernels.isa(),
        "threads": kernels.num_threads(),
        "experiments": {outcome.name: outcome.document() for outcome in outcomes},
    }
    atomic_write(arguments.output / "results.json", (json.dumps(document, indent=2) + "\n").encode())
    latest = outcomes[-1]
    try:
        plot.reproduction(latest.published, latest.runs, arguments.output / f"{latest.name}.png", latest.name)
    except ImportError as error:
        print(error)
