"""``minidnn train``: the notebook's network, on MNIST or other data."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from minidnn import kernels, manual_seed, nn, optim, save, schedules, set_num_threads, training
from minidnn.cli import datasets, types
from minidnn.locks import in_use
from minidnn.nn.layers import FUSED

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": optim.SGD,
    "momentum": partial(optim.SGD, momentum=0.9),
    "nesterov": partial(optim.SGD, momentum=0.9, nesterov=True),
    "adagrad": optim.AdaGrad,
    "rmsprop": optim.RMSProp,
    "adadelta": optim.AdaDelta,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "nadam": optim.NAdam,
    "adamax": optim.AdaMax,
    "lion": optim.Lion,
    "ftrl": optim.FTRL,
}
PLAIN = ("sgd", "momentum", "nesterov")
"""Those that the default schedule suits; the others have default rates of their own."""

COLUMNS = {
    "epoch": "{:d}",
    "step": "{:d}",
    "lr": "{:.5f}",
    "loss": "{:.4f}",
    "accuracy": "{:.4f}",
    "valid_loss": "{:.4f}",
    "valid_accuracy": "{:.4f}",
    "test_accuracy": "{:.4f}",
    "examples_per_second": "{:,.0f}",
}
WIDTHS = [max(len(name), 8) for name in COLUMNS]


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a network on MNIST, or on data of your own",
        description="Trains 784-300-50-10 on MNIST as the notebook's learning-rate-schedule section does: momentum "
        "0.9, the rate falling exponentially from 0.1 by 1/10 every 10,000 steps. Leaves model.safetensors, "
        "curves.png and the last checkpoints, from which --resume goes on after a crash with the same bytes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--data",
        default="mnist",
        help=f"{', '.join(datasets.NAMES)}; a folder with a folder of pictures for each class; or a table of numbers, "
        "NAME.csv, whose columns are standardized. Of the last two a tenth each is held back for validation and test",
    )
    parser.add_argument(
        "--label", type=types.column, default=-1, metavar="COLUMN", help="of a table, by name or number; else the last"
    )
    parser.add_argument("--epochs", type=types.count, default=5, help="visits of every example")
    parser.add_argument("--batch-size", type=types.count, default=50, help="examples in an update")
    parser.add_argument("--hidden", type=types.sizes, default=[300, 50], help="sizes of the hidden layers, as 300,50")
    parser.add_argument("--activation", choices=list(FUSED), default="relu", help="of the hidden layers")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), default="momentum", help="its kind")
    parser.add_argument(
        "--lr",
        type=types.rate,
        help="a constant learning rate; else the schedule, or with adaptive optimizers their own",
    )
    parser.add_argument("--seed", type=types.seed, default=42, help="of initial weights and orders")
    parser.add_argument("--threads", type=types.count, help="at most; all by default; the results are the same bytes")
    parser.add_argument(
        "--checkpoint-every", type=types.count, metavar="STEPS", help="steps between checkpoints; else each epoch's end"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in the output folder, if there is one"
    )
    parser.add_argument(
        "--resume-with",
        type=types.names,
        default=[],
        metavar="NAMES",
        help="what may differ from that run, as lr,batch_size",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/train"), help="folder for model and picture")
    parser.add_argument("--json", action="store_true", help="print one JSON document in place of the table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with in_use(arguments.output, "train"):
        return _train(arguments)


def _train(arguments: argparse.Namespace) -> int:
    manual_seed(arguments.seed)
    parts = datasets.load(arguments.data, arguments.label, arguments.seed)
    sizes = [parts.train[:1].inputs.shape[1], *arguments.hidden, parts.classes]
    model = nn.Sequential(*parts.inputs, *network(sizes, arguments.activation))
    optimizer = _optimizer(arguments, model.parameters())
    if not arguments.json:
        shape = "-".join(map(str, sizes))
        rate = optimizer.groups[0].lr
        rule = f"{arguments.optimizer}, {rate if callable(rate) else schedules.constant(rate)}"
        print(f"{shape} {arguments.activation}, {rule}, batches of {arguments.batch_size}")
        print(f"{kernels.isa()}, threads: {kernels.num_threads()}, seed {arguments.seed}")
    checkpoints = arguments.output / "checkpoints"
    history = training.fit(
        model,
        parts.train,
        optimizer=optimizer,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        valid=parts.valid,
        callbacks=[
            training.Evaluate(parts.test),
            *([] if arguments.json else [_Table()]),
            training.Checkpoint(checkpoints, arguments.checkpoint_every, overwrite=True),
        ],
        resume=checkpoints if arguments.resume else None,
        resume_with=arguments.resume_with,
        progress=not arguments.json and sys.stderr.isatty(),
        on_interrupt="stop",
    )
    _finish(arguments, model, history)
    return 130 if history.stopped == "interrupted" else 0


def _optimizer(arguments: argparse.Namespace, params: list[nn.Parameter]) -> optim.Optimizer:
    make = OPTIMIZERS[arguments.optimizer]
    if arguments.lr is not None:
        return make(params, lr=schedules.constant(arguments.lr))
    return make(params, lr=schedules.exponential(0.1, 1 / 10, 10_000)) if arguments.optimizer in PLAIN else make(params)


def network(sizes: list[int], activation: str) -> nn.Sequential:
    """Dense layers of these sizes, from inputs to outputs: hidden1, hidden2, ..., outputs."""
    *hidden, outputs = pairwise(sizes)
    layers = [nn.Dense(*fans, activation, name=f"hidden{i}") for i, fans in enumerate(hidden, start=1)]
    return nn.Sequential(*layers, nn.Dense(*outputs, name="outputs"))


class _Table(training.Callback):
    """A line for each epoch, under a head of the same widths."""

    observer = True

    def on_fit_begin(self, run: training.Run) -> None:
        self._print(COLUMNS)

    def on_epoch_end(self, run: training.Run) -> None:
        self._print(form.format(run.row[name]) for name, form in COLUMNS.items())

    def _print(self, cells: Iterable[str]) -> None:
        line = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
        if sys.stderr.isatty():
            from tqdm import tqdm

            tqdm.write(line)  # above the progress bar
        else:
            print(line, flush=True)


def _finish(arguments: argparse.Namespace, model: nn.Module, history: training.History) -> None:
    model_path, picture = arguments.output / "model.safetensors", arguments.output / "curves.png"
    save(model, model_path)
    notes = []
    if len(history):
        try:
            history.plot(picture)
        except ImportError as error:
            notes.append(str(error))
    else:
        notes.append("no epoch was finished, so there are no curves to draw")
    if arguments.json:
        print(json.dumps(_document(arguments, history, model_path, None if notes else picture), indent=2))
        return
    if history.stopped:
        print(f"stopped: {history.stopped}")
    print(f"saved {model_path}")
    print("\n".join(notes) if notes else f"saved {picture}")


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
