"""Options that ``minidnn train`` and ``minidnn tune`` share, and the run that they describe."""

from __future__ import annotations

import argparse
import inspect
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from minidnn import nn, optim, schedules, training
from minidnn.activations import ALPHA
from minidnn.cli import datasets, types
from minidnn.data.meaning import TASKS
from minidnn.optim.making import MAKERS, WITHOUT_RATE
from minidnn.training.metrics import default_metrics

DEFAULTS: dict[bool, dict[str, Any]] = {
    False: {"epochs": 5, "optimizer": "momentum"},
    True: {"epochs": 20, "optimizer": "adam"},
}
"""Of pictures, and of tables: these have fewer examples, and columns whose values may spread over many sizes."""


def complete(arguments: argparse.Namespace) -> None:
    """Fills in the defaults that depend on the kind of data."""
    for name, value in DEFAULTS[datasets.is_table(arguments.data)].items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)


def add_training(parser: argparse.ArgumentParser) -> None:
    """Options of a run, but for those that a search may vary."""
    parser.add_argument(
        "--epochs",
        type=types.count,
        help=f"passes over the data (default: {DEFAULTS[False]['epochs']}, of a table {DEFAULTS[True]['epochs']})",
    )
    parser.add_argument("--batch-size", type=types.count, default=50, help="examples per update")
    parser.add_argument(
        "--activation",
        choices=list(ALPHA),
        default="relu",
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(ALPHA)}",
    )
    parser.add_argument(
        "--optimizer",
        choices=list(MAKERS),
        metavar="NAME",
        help=f"the optimizer: {', '.join(MAKERS)} (default: {DEFAULTS[False]['optimizer']}, of a table "
        f"{DEFAULTS[True]['optimizer']})",
    )
    parser.add_argument(
        "--weight-decay", type=types.decay, metavar="NUMBER", help="weight decay (default: the optimizer's own)"
    )
    parser.add_argument(
        "--clip-norm",
        type=types.rate,
        metavar="NUMBER",
        help="scale gradients down to this norm (default: no limit)",
    )
    parser.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="balanced: each class counts as much as another, however few its examples (default: each example does)",
    )
    parser.add_argument("--seed", type=types.seed, default=42, help="seed of initial weights and the order of examples")
    parser.add_argument(
        "--threads", type=types.count, help="thread limit; the results are the same bytes (default: all)"
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Options that say what to learn from."""
    parser.add_argument(
        "--data",
        default="mnist",
        help=f"{datasets.LISTED}; a folder with a folder of pictures for each class; a table, NAME.csv, whose columns "
        "are standardized; or a .npy or IDX file of examples",
    )
    parser.add_argument(
        "--task",
        choices=("auto", *TASKS),
        default="auto",
        help="whether labels are classes or quantities; auto takes text for classes and numbers with a fraction for "
        "quantities, and refuses whole numbers, which could be either",
    )
    parser.add_argument(
        "--label",
        type=types.columns,
        metavar="COLUMN",
        help="of a table, by name or number; several as a,b: numbers, or with --task classification columns of 0 and 1 "
        "(default: the last)",
    )
    for name, text in (
        ("category", "a column of text of a table, each value of which becomes an input"),
        ("ignore", "a column of a table to leave out"),
    ):
        parser.add_argument(
            f"--{name}",
            action="append",
            type=types.column,
            default=[],
            metavar="COLUMN",
            help=f"{text}; may be given several times (default: none)",
        )
    parser.add_argument(
        "--missing",
        choices=("mean", "indicator"),
        help="how to read empty cells of a table: as the column's mean, or with one more input that says where one was "
        "empty (default: they are refused)",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="of a .npy or IDX file of examples (default: none)")
    parser.add_argument(
        "--image-size",
        type=types.image_size,
        metavar="HxW",
        help="resize pictures, as 32x32 (default: all have one size)",
    )
    parser.add_argument("--valid", metavar="FILE", help="validation data, of the same kind (default: see --split)")
    parser.add_argument("--valid-labels", type=Path, metavar="FILE", help="of --valid (default: none)")
    parser.add_argument(
        "--split",
        type=types.share,
        metavar="FRACTION",
        help=f"share of your own data held out for validation, and as much again for test (default: {datasets.SPLIT})",
    )


@dataclass(frozen=True)
class Prepared:
    """A model that has not learned yet, and how it will.

    Attributes:
        sizes: of inputs, hidden layers and outputs.
        options: further arguments of `minidnn.training.fit`.
    """

    sizes: list[int]
    model: nn.Sequential
    optimizer: optim.Optimizer
    options: dict[str, Any]

    def fit(
        self, arguments: argparse.Namespace, parts: datasets.Parts, *callbacks: training.Callback, **options: Any
    ) -> training.History:
        """Trains the model; further options are those of `minidnn.training.fit`.

        Raises:
            NonFiniteError: as `fit`; of a table, with the column whose values may be what overflows.
        """
        try:
            return training.fit(
                self.model,
                parts.train,
                optimizer=self.optimizer,
                epochs=arguments.epochs,
                batch_size=arguments.batch_size,
                valid=parts.valid,
                callbacks=callbacks,
                on_interrupt="stop",
                **self.options,
                **options,
            )
        except training.NonFiniteError as error:
            far = datasets.farthest(parts.train) if datasets.is_table(arguments.data) else None
            if far is None:
                raise
            column, distance = far
            raise training.NonFiniteError(
                f"{error}. Column {column!r} has a value {distance:.0f} standard deviations from its mean: give its "
                f"logarithm in its place, or leave it out with --ignore {column}"
            ) from error


def prepared(arguments: argparse.Namespace, parts: datasets.Parts) -> Prepared:
    """What the options make for the data, with initial weights from the default generator.

    Raises:
        ValueError: an option that has no meaning for the optimizer, or for the task.
    """
    sizes = [parts.train[:1].inputs.shape[1], *arguments.hidden, parts.n_out]
    model = nn.Sequential(*parts.inputs, *network(sizes, arguments.activation, arguments.dropout))
    return Prepared(sizes, model, _optimizer(arguments, model.parameters()), _options(arguments, parts))


def columns(arguments: argparse.Namespace, parts: datasets.Parts) -> list[str]:
    """The losses and metrics that the history of a run will have."""
    loss = _options(arguments, parts).get("loss", nn.softmax_cross_entropy)
    names = ["loss", *(metric.name for metric in default_metrics(loss, parts.train.y))]
    return [*names, *(f"valid_{name}" for name in names)]


def _options(arguments: argparse.Namespace, parts: datasets.Parts) -> dict[str, Any]:
    """Those arguments of `training.fit` that were asked for."""
    options = {name: getattr(arguments, name, None) for name in ("class_weight", "clip_norm", "shards")}
    if parts.meaning.task == "regression":
        if arguments.class_weight is not None:
            raise ValueError("--class-weight is for classes, and the task is regression")
        options["loss"] = nn.mean_squared_error
    elif parts.meaning.has_several_labels:
        if arguments.class_weight is not None:
            raise ValueError("--class-weight is for one label, --label names several")
        options["loss"] = nn.sigmoid_cross_entropy
    return {name: value for name, value in options.items() if value is not None}


def _optimizer(arguments: argparse.Namespace, params: list[nn.Parameter]) -> optim.Optimizer:
    make = MAKERS[arguments.optimizer]
    if arguments.weight_decay is not None:
        kind = make.func if isinstance(make, partial) else make
        if "weight_decay" not in inspect.signature(kind).parameters:
            raise ValueError(f"--weight-decay: {arguments.optimizer} has none; use --optimizer adamw")
        make = partial(make, weight_decay=arguments.weight_decay)
    if arguments.lr is not None:
        return make(params, lr=schedules.constant(arguments.lr))
    return (
        make(params, lr=schedules.exponential(0.1, 1 / 10, 10_000))
        if arguments.optimizer in WITHOUT_RATE
        else make(params)
    )


def network(sizes: list[int], activation: str, dropout: float = 0.0) -> nn.Sequential:
    """Dense layers of these sizes, from inputs to outputs: hidden1, hidden2, ..., outputs.

    Where dropout is above 0, `nn.Dropout` stands behind each hidden layer, `nn.AlphaDropout` behind those of SELU.
    """
    *hidden, outputs = pairwise(sizes)
    drop = nn.AlphaDropout if activation == "selu" else nn.Dropout
    layers: list[nn.Module] = []
    for i, fans in enumerate(hidden, start=1):
        layers.append(nn.Dense(*fans, activation, name=f"hidden{i}"))
        layers += [drop(dropout, name=f"dropout{i}")] if dropout else []
    return nn.Sequential(*layers, nn.Dense(*outputs, name="outputs"))
