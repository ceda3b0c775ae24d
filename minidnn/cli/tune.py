"""``minidnn tune``: searches the learning rate, the layer sizes and the dropout rate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidnn import set_num_threads
from minidnn.cli import building, datasets, types
from minidnn.cli.terminal import Parser, quoted, shown
from minidnn.training.trials import optuna_for


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "tune",
        help="search the learning rate, the layer sizes and the dropout rate",
        description="Trains networks with the learning rates, sizes and dropout rates that Optuna proposes (extra "
        "tune), prunes those that are worse than the median, and prints the best as a minidnn train command. The "
        "study is a file: the same command continues it, and several processes may share it.",
    )
    building.add_data(parser)
    building.add_training(parser)
    parser.add_argument(
        "--trials", type=types.count, default=20, help="trials in the study, finished or pruned, over all processes"
    )
    parser.add_argument(
        "--study",
        type=Path,
        default=Path("runs/tune/study.db"),
        help="the file of the study; its picture is saved beside it",
    )
    parser.add_argument(
        "--monitor",
        metavar="COLUMN",
        help="the column of the history to optimize (default: valid_accuracy; for regression valid_loss)",
    )
    for name, kind, default, what in (
        ("lr", types.rate, [1e-4, 1.0], "constant learning rates, on a logarithmic scale"),
        ("layers", types.count, [1, 3], "number of hidden layers"),
        ("sizes", types.count, [16, 512], "units of a hidden layer, on a logarithmic scale"),
        ("dropout", types.fraction, [0.0, 0.5], "dropout rates after each hidden layer"),
    ):
        parser.add_argument(
            f"--{name}",
            type=types.interval(kind),
            default=default,
            metavar="LOW,HIGH",
            help=f"range of {what}; or one number",
        )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    optuna_for("tune")
    from minidnn.cli import search, trials

    if arguments.threads:
        set_num_threads(arguments.threads)
    building.complete(arguments)
    parts = datasets.load(arguments)
    if arguments.monitor is None:
        arguments.monitor = "valid_accuracy" if parts.meaning.task == "classification" else "valid_loss"
    study = search.opened(arguments, parts)
    try:
        search.search(study, arguments, parts)
        interrupted = False
    except KeyboardInterrupt:
        interrupted = True
    finished = trials.finished(study)
    if not finished:
        print(f"no trial was completed; {shown(arguments.study)} has the others")
        return 130 if interrupted else 0
    picture = arguments.study.with_suffix(".png")
    try:
        trials.draw(study, picture, arguments.monitor)
        print(f"saved {shown(picture)}")
    except ImportError as error:
        print(error)
    best = study.best_trial
    print(f"best of {len(finished)}: trial {best.number}, {arguments.monitor} {best.value:.6g}")
    print(command(arguments, best.user_attrs["options"]))
    return 130 if interrupted else 0


def command(arguments: argparse.Namespace, chosen: dict[str, Any]) -> str:
    """The ``minidnn train`` command that trains a trial's network."""
    parser = Parser()
    building.add_data(parser)
    building.add_training(parser)
    words = ["minidnn train"]
    for name, default in vars(parser.parse_args([])).items():
        value = getattr(arguments, name)
        if value != default:
            if name == "label" and isinstance(value, (list, tuple)):
                value = ",".join(map(str, value))
            texts = value if isinstance(value, list) else ["x".join(map(str, value)) if _is_size(value) else value]
            words += [_option(name, text) for text in texts]
    words += [_option("lr", chosen["lr"]), _option("hidden", ",".join(map(str, chosen["hidden"])))]
    return " ".join([*words, *([_option("dropout", chosen["dropout"])] if chosen["dropout"] else [])])


def _is_size(value: object) -> bool:
    return isinstance(value, tuple)


def _option(name: str, value: object) -> str:
    """An option quoted for a shell; a value that starts with a dash is joined to it with ``=``."""
    between = "=" if str(value).startswith("-") else " "
    return f"--{name.replace('_', '-')}{between}{quoted(value)}"
