"""``minidnn reproduce``: the notebook's five experiments and the lessons, over several seeds."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from minidnn import __version__, data, kernels, set_num_threads
from minidnn.cli import published, types
from minidnn.cli.published import Outcome
from minidnn.data import Splits
from minidnn.files import atomic_write
from minidnn.standard_error import is_terminal
from minidnn.study import Study

CHAPTER = (
    "symmetry",
    "elu",
    "activations",
    "momentum",
    "velocity",
    "nesterov",
    "adagrad",
    "dropout_cost",
    "exploding",
    "zeros",
    "rates",
    "unfreezing",
    "identities",
)
"""Lessons on the chapter's exercises and claims; the name ``chapter`` selects all of them."""

LESSONS = {"transfer": "reuse", "pretraining": "reuse", "auxiliary": "reuse", "sparse": "deploy"}
LESSONS |= dict.fromkeys(CHAPTER, "chapter")
"""Lesson -> the folder of its module in `minidnn.lessons`."""

NAMES = (*published.NAMES, *LESSONS)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "reproduce",
        help="run the notebook's experiments and the lessons on MNIST",
        description="Trains the notebook's networks on MNIST with several seeds and compares the test accuracies with "
        f"the published ones ({', '.join(published.NAMES)}; all of them: all); or runs a lesson, which compares "
        f"methods ({', '.join(LESSONS)}; those on the chapter: chapter). Writes results.json and a picture for each.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", default=["all"], help="experiments or lessons")
    parser.add_argument("--seeds", type=types.count, default=5, help="number of seeds: 0, 1, 2, ...")
    parser.add_argument(
        "--epochs", type=types.count, help="epochs of the notebook's experiments (default: as published)"
    )
    parser.add_argument("--quick", action="store_true", help="run the lessons with less data and fewer epochs")
    parser.add_argument(
        "--threads", type=types.count, help="maximum number of threads; does not change the results (default: all)"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/reproduce"), help="folder for results and pictures")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    names = _names(arguments)
    if arguments.threads:
        set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results: list[Outcome | Study] = []
    mnist = cache(data.load_mnist)
    for name in names:
        for result in _results(name, mnist, arguments):
            results.append(result)
            print(f"{result.report()}\n", flush=True)
            _write(arguments.output, results)
    print(f"saved {arguments.output / 'results.json'}")
    return 0


def _names(arguments: argparse.Namespace) -> list[str]:
    groups = {"all": published.NAMES, "chapter": CHAPTER}
    names = [name for given in arguments.names for name in groups.get(given, [given])]
    for name in names:
        if name not in NAMES:
            raise ValueError(f"NAME is {name!r}, must be one of {', '.join(NAMES)}, all or chapter")
        if name in LESSONS and arguments.epochs:
            raise ValueError(f"--epochs is for the notebook's experiments; {name} has --quick")
        if name not in LESSONS and arguments.quick:
            raise ValueError(f"--quick is for the lessons; {name} has --epochs")
    return list(dict.fromkeys(names))


def _results(name: str, mnist: Callable[[], Splits], arguments: argparse.Namespace) -> Iterable[Outcome | Study]:
    """The results of an experiment or lesson; a lesson may yield several studies."""
    if name not in LESSONS:
        return [published.reproduce(name, mnist(), arguments.seeds, arguments.epochs)]
    lesson = importlib.import_module(f"minidnn.lessons.{LESSONS[name]}.{name}")
    made = lesson.run(range(arguments.seeds), quick=arguments.quick, progress=is_terminal())
    return [made] if isinstance(made, Study) else made


def _write(folder: Path, results: Sequence[Outcome | Study]) -> None:
    document = {
        "minidnn": __version__,
        "isa": kernels.isa(),
        "threads": kernels.num_threads(),
        "experiments": {result.name: result.document() for result in results},
    }
    atomic_write(folder / "results.json", (json.dumps(document, indent=2) + "\n").encode())
    try:
        results[-1].draw(folder / f"{results[-1].name}.png")
    except ImportError as error:
        print(error)
