"""``minidnn train``: the notebook's network, on MNIST or other data."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minidnn import kernels, manual_seed, nn, optim, save, schedules, set_num_threads, training
from minidnn.activations import ALPHA
from minidnn.cli import datasets, types
from minidnn.cli.epochs import Table
from minidnn.cli.models import open_model
from minidnn.cli.scores import scores
from minidnn.cli.terminal import quoted, shown
from minidnn.data.meaning import TASKS
from minidnn.locks import in_use

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": optim.SGD,
    "momentum": partial(optim.SGD, momentum=0.9),
    "nesterov": partial(optim.SGD, momentum=0.9, nesterov=True),
    "adagrad": optim.Adagrad,
    "rmsprop": optim.RMSprop,
    "adadelta": optim.Adadelta,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "nadam": optim.NAdam,
    "adamax": optim.Adamax,
    "lion": optim.Lion,
    "ftrl": optim.FTRL,
}
PLAIN = ("sgd", "momentum", "nesterov")
"""Those that the default schedule suits; the others have default rates of their own."""


DEFAULTS: dict[bool, dict[str, Any]] = {
    False: {"epochs": 5, "optimizer": "momentum"},
    True: {"epochs": 20, "optimizer": "adam"},
}
"""Of pictures, and of tables: these have fewer examples, and columns whose values may spread over many sizes."""


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a network on MNIST, or on data of your own",
        description="Trains 784-300-50-10 on MNIST as the notebook's learning-rate-schedule section does: momentum "
        "0.9, the rate falling exponentially from 0.1 by 1/10 every 10,000 steps. Leaves model.safetensors, "
        "curves.png and the last checkpoints, from which --resume goes on after a crash with the same bytes.",
    )
    _add_data(parser)
    parser.add_argument(
        "--epochs",
        type=types.count,
        help=f"visits of every example (default: {DEFAULTS[False]['epochs']}, of a table {DEFAULTS[True]['epochs']})",
    )
    parser.add_argument("--batch-size", type=types.count, default=50, help="examples in an update")
    parser.add_argument("--hidden", type=types.sizes, default=[300, 50], help="sizes of the hidden layers, as 300,50")
    parser.add_argument(
        "--activation",
        choices=list(ALPHA),
        default="relu",
        metavar="NAME",
        help=f"of the hidden layers: {', '.join(ALPHA)}",
    )
    parser.add_argument(
        "--optimizer",
        choices=list(OPTIMIZERS),
        metavar="NAME",
        help=f"its kind: {', '.join(OPTIMIZERS)} (default: {DEFAULTS[False]['optimizer']}, of a table "
        f"{DEFAULTS[True]['optimizer']})",
    )
    parser.add_argument(
        "--lr",
        type=types.rate,
        help="a constant learning rate (default: the schedule above; of adaptive optimizers their own)",
    )
    parser.add_argument(
        "--weight-decay", type=types.decay, metavar="NUMBER", help="of the optimizer (default: the optimizer's own)"
    )
    parser.add_argument(
        "--clip-norm", type=types.rate, metavar="NUMBER", help="the most that the gradients' norm may be (default: any)"
    )
    parser.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="balanced: each class counts as much as another, however few its examples (default: each example does)",
    )
    parser.add_argument("--seed", type=types.seed, default=42, help="of initial weights and orders")
    parser.add_argument("--threads", type=types.count, help="at most; the results are the same bytes (default: all)")
    parser.add_argument(
        "--checkpoint-every", type=types.count, metavar="STEPS", help="steps between checkpoints (default: an epoch)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in the output folder, if there is one"
    )
    parser.add_argument(
        "--resume-with",
        type=types.names,
        default=[],
        metavar="NAMES",
        help="what may differ from that run, as lr,batch_size (default: nothing)",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/train"), help="folder for model and picture")
    parser.add_argument("--json", action="store_true", help="print one JSON document in place of the table")
    parser.add_argument("--profile", action="store_true", help="print where the time of a step goes, call by call")
    parser.set_defaults(run=run)


def _add_data(parser: argparse.ArgumentParser) -> None:
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
        "quantities, and asks where labels are whole numbers",
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
        help="how to read empty cells of a table: as the column's mean, or with an input more that tells where one was "
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
        help=f"of data of your own, held back for validation, and as much again for test (default: {datasets.SPLIT})",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with in_use(arguments.output, "train"):
        return _train(arguments)


def _train(arguments: argparse.Namespace) -> int:
    manual_seed(arguments.seed)
    is_table = datasets.is_table(arguments.data)
    for name, value in DEFAULTS[is_table].items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    parts = datasets.load(arguments)
    sizes = [parts.train[:1].inputs.shape[1], *arguments.hidden, parts.n_out]
    model = nn.Sequential(*parts.inputs, *network(sizes, arguments.activation))
    optimizer = _optimizer(arguments, model.parameters())
    options = _options(arguments, parts)
    if not arguments.json:
        shape = "-".join(map(str, sizes))
        rate = optimizer.groups[0].lr
        rule = f"{arguments.optimizer}, {rate if callable(rate) else schedules.constant(rate)}"
        print(f"{shape} {arguments.activation}, {rule}, batches of {arguments.batch_size}")
        print(f"{kernels.isa()}, threads: {kernels.num_threads()}, seed {arguments.seed}")
        if parts.meaning.task == "regression":
            for name, std in zip(parts.meaning.labels or ("labels",), np.atleast_1d(parts.std), strict=True):
                print(f"{shown(name)}: trained in units of its standard deviation, {std:.6g}")
    checkpoints = arguments.output / "checkpoints"
    progress = not arguments.json and sys.stderr.isatty()
    fit = _fit_table if is_table else training.fit
    history = fit(
        model,
        parts.train,
        optimizer=optimizer,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        valid=parts.valid,
        callbacks=[
            *([training.Evaluate(parts.test)] if parts.test and parts.meaning.task == "classification" else []),
            *([] if arguments.json else [Table()]),
            *([Profiled()] if arguments.profile and not arguments.json else []),
            training.Checkpoint(checkpoints, arguments.checkpoint_every, overwrite=True),
        ],
        resume=checkpoints if arguments.resume else None,
        resume_with=arguments.resume_with,
        progress=progress,
        on_interrupt="stop",
        **options,
    )
    if history.stopped and not (progress or arguments.json):
        print(f"stopped: {history.stopped}")
    _finish(arguments, model, history, parts)
    return 130 if history.stopped == "interrupted" else 0


def _fit_table(model: nn.Module, train: Any, **options: Any) -> training.History:
    """`training.fit`, whose error names a column whose values may be what overflows."""
    try:
        return training.fit(model, train, **options)
    except training.NonFiniteError as error:
        if (far := datasets.farthest(train)) is None:
            raise
        column, distance = far
        raise training.NonFiniteError(
            f"{error}. Column {column!r} has a value {distance:.0f} standard deviations from its mean: give its "
            f"logarithm in its place, or leave it out with --ignore {column}"
        ) from error


def _options(arguments: argparse.Namespace, parts: datasets.Parts) -> dict[str, Any]:
    """Those arguments of `training.fit` that were asked for."""
    options = {name: getattr(arguments, name) for name in ("class_weight", "clip_norm")}
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
    make = OPTIMIZERS[arguments.optimizer]
    if arguments.weight_decay is not None:
        kind = make.func if isinstance(make, partial) else make
        if "weight_decay" not in inspect.signature(kind).parameters:
            raise ValueError(f"--weight-decay: {arguments.optimizer} has none; use --optimizer adamw")
        make = partial(make, weight_decay=arguments.weight_decay)
    if arguments.lr is not None:
        return make(params, lr=schedules.constant(arguments.lr))
    return make(params, lr=schedules.exponential(0.1, 1 / 10, 10_000)) if arguments.optimizer in PLAIN else make(params)


class Profiled(training.Callback):
    """Prints the program of the step with the time of each call, at the end of the run."""

    observer = True

    def on_fit_end(self, run: training.Run) -> None:
        if run.captured is not None and run.step:
            print(run.captured.profile())


def network(sizes: list[int], activation: str) -> nn.Sequential:
    """Dense layers of these sizes, from inputs to outputs: hidden1, hidden2, ..., outputs."""
    *hidden, outputs = pairwise(sizes)
    layers = [nn.Dense(*fans, activation, name=f"hidden{i}") for i, fans in enumerate(hidden, start=1)]
    return nn.Sequential(*layers, nn.Dense(*outputs, name="outputs"))


def _finish(
    arguments: argparse.Namespace, model: nn.Sequential, history: training.History, parts: datasets.Parts
) -> None:
    path, picture = arguments.output / "model.safetensors", arguments.output / "curves.png"
    if parts.meaning.task == "regression":
        _in_units_of_the_label(model, parts)
    save(model, path, meaning=parts.meaning)
    name = "validation" if parts.test is None else "test"
    result = scores(open_model(path), parts.held_back)
    notes = []
    if len(history):
        try:
            history.plot(picture)
        except ImportError as error:
            notes.append(str(error))
    else:
        notes.append("no epoch was finished, so there are no curves to draw")
    if arguments.json:
        document = _document(arguments, history, path, None if notes else picture)
        print(json.dumps(document | {"task": parts.meaning.task, name: result.document()}, indent=2))
        return
    print(f"saved {shown(path)}")
    print("\n".join(notes) if notes else f"saved {shown(picture)}")
    print(f"{result.headline(name)}; next: minidnn predict {quoted(path)} FILE")


def _in_units_of_the_label(model: nn.Sequential, parts: datasets.Parts) -> None:
    """Undoes the standardization of the labels in the last layer, so that the model itself speaks in their unit."""
    outputs = model.layers[-1]
    assert isinstance(outputs, nn.Dense) and outputs.bias is not None
    outputs.kernel.data[...] = outputs.kernel.data.astype(np.float64) * parts.std
    outputs.bias.data[...] = outputs.bias.data.astype(np.float64) * parts.std + parts.mean


def _document(
    arguments: argparse.Namespace, history: training.History, model: Path, picture: Path | None
) -> dict[str, Any]:
    return {
        "config": {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(arguments).items()
            if name not in ("run", "command", "json")
        },
        "isa": kernels.isa(),
        "threads": kernels.num_threads(),
        "epochs": history.rows,
        "stopped": history.stopped,
        "model": str(model),
        "curves": None if picture is None else str(picture),
    }
