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
"""Whether the data is a table -> defaults. Tables have fewer examples, and columns of very different scales."""


def complete(arguments: argparse.Namespace) -> None:
    """Fills in the defaults that depend on the kind of data."""
    for name, value in DEFAULTS[datasets.is_table(arguments.data)].items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)


def add_training(parser: argparse.ArgumentParser) -> None:
    """Options of a run, except those that a search varies."""
    parser.add_argument(
        "--epochs",
        type=types.count,
        help=f"passes over the data (default: {DEFAULTS[False]['epochs']}, for a table {DEFAULTS[True]['epochs']})",
    )
    parser.add_argument("--batch-size", type=types.count, default=50, help="examples per update")
    parser.add_argument(
        "--activation",
        choices=list(ALPHA),
        default="relu",
        metavar="NAME",
        help=f"activation of the hidden layers: {', '.join(ALPHA)}",
    )
    parser.add_argument(
        "--optimizer",
        choices=list(MAKERS),
        metavar="NAME",
        help=f"the optimizer: {', '.join(MAKERS)} (default: {DEFAULTS[False]['optimizer']}, for a table "
        f"{DEFAULTS[True]['optimizer']})",
    )
    parser.add_argument(
        "--weight-decay", type=types.decay, metavar="NUMBER", help="weight decay (default: the optimizer's own)"
    )
    parser.add_argument(
        "--clip-norm",
        type=types.rate,
        metavar="NUMBER",
        help="scale the gradients down when the norm of all of them exceeds this (default: no limit)",
    )
    parser.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="balanced: every class has the same total weight (default: every example has the same weight)",
    )
    parser.add_argument("--seed", type=types.seed, default=42, help="seed of initial weights and the order of examples")
    parser.add_argument(
        "--threads", type=types.count, help="maximum number of threads; does not change the results (default: all)"
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Options that select the training and validation data."""
    parser.add_argument(
        "--data",
        default="mnist",
        help=f"{datasets.LISTED}; a folder with one folder of pictures per class; a table, NAME.csv, whose columns are "
        "standardized; or a .npy or IDX file of examples",
    )
    parser.add_argument(
        "--task",
        choices=("auto", *TASKS),
        default="auto",
        help="with auto, text labels mean classification and numbers with a fraction mean regression; integer labels "
        "are refused, since they could be either",
    )
    parser.add_argument(
        "--label",
        type=types.columns,
        metavar="COLUMN",
        help="label column of a table, by name or number; several as a,b: numbers, or with --task classification "
        "columns of 0 and 1 (default: the last column)",
    )
    for name, text in (
        ("category", "a text column of a table, which is one-hot encoded"),
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
        help="how to read empty cells of a table; mean: as the column's mean; indicator: the same, plus an input that "
        "is 1 where the cell was empty (default: empty cells are refused)",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labels of a .npy or IDX file (default: none)")
    parser.add_argument(
        "--image-size",
        type=types.image_size,
        metavar="HxW",
        help="resize pictures to this size, such as 32x32 (default: all must have one size)",
    )
    parser.add_argument("--valid", metavar="FILE", help="validation data, of the same kind (default: see --split)")
    parser.add_argument("--valid-labels", type=Path, metavar="FILE", help="labels of --valid (default: none)")
    parser.add_argument(
        "--split",
        type=types.share,
        metavar="FRACTION",
        help=f"fraction of your own data held out for validation, and again for test (default: {datasets.SPLIT})",
    )


@dataclass(frozen=True)
class Prepared:
    """An untrained model with its training options.

    Attributes:
        sizes: the number of inputs, of units of each hidden layer, and of outputs.
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
            NonFiniteError: as `fit`; for a table the message adds the column that has the largest outlier.
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
                f"{error}. Column {column!r} has a value {distance:.0f} standard deviations from its mean: replace it "
                f"by its logarithm, or leave it out with --ignore {column}"
            ) from error


def prepared(arguments: argparse.Namespace, parts: datasets.Parts) -> Prepared:
    """The model and optimizer that the options describe, with initial weights from the default generator.

    Raises:
        ValueError: an option does not apply to the optimizer or the task.
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
    """The arguments of `training.fit` that the options set."""
    options = {name: getattr(arguments, name, None) for name in ("class_weight", "clip_norm", "shards")}
    if parts.meaning.task == "regression":
        if arguments.class_weight is not None:
            raise ValueError("--class-weight is for classification, the task is regression; leave it out")
        options["loss"] = nn.mean_squared_error
    elif parts.meaning.has_several_labels:
        if arguments.class_weight is not None:
            raise ValueError("--class-weight is for one label, --label names several; leave it out")
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

    With dropout above 0, each hidden layer is followed by `nn.Dropout`, or by `nn.AlphaDropout` for SELU.
    """
    *hidden, outputs = pairwise(sizes)
    drop = nn.AlphaDropout if activation == "selu" else nn.Dropout
    layers: list[nn.Module] = []
    for i, fans in enumerate(hidden, start=1):
        layers.append(nn.Dense(*fans, activation, name=f"hidden{i}"))
        layers += [drop(dropout, name=f"dropout{i}")] if dropout else []
    return nn.Sequential(*layers, nn.Dense(*outputs, name="outputs"))
