"""``minidnn train``: trains the notebook's network on MNIST or other data."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from minidnn import kernels, manual_seed, nn, save, schedules, set_num_threads, training
from minidnn.cli import building, datasets, ranks, types
from minidnn.cli.epochs import Table
from minidnn.cli.models import open_model
from minidnn.cli.scores import scores
from minidnn.cli.terminal import quoted, shown
from minidnn.locks import in_use
from minidnn.parallel import World, world
from minidnn.standard_error import is_terminal


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train a network on MNIST or on your own data",
        description="Trains 784-300-50-10 on MNIST like the notebook's section on learning-rate schedules: momentum "
        "0.9, a learning rate of 0.1 that falls by a factor of 10 every 10,000 steps. Writes model.safetensors, "
        "curves.png and checkpoints; after a crash --resume continues from the last one to the identical result.",
    )
    building.add_data(parser)
    building.add_training(parser)
    ranks.add(parser)
    parser.add_argument("--hidden", type=types.sizes, default=[300, 50], help="sizes of the hidden layers")
    parser.add_argument(
        "--lr",
        type=types.rate,
        help="a constant learning rate (default: the schedule above; for adaptive optimizers their own)",
    )
    parser.add_argument(
        "--dropout",
        type=types.fraction,
        default=0.0,
        metavar="RATE",
        help="dropout rate after each hidden layer (default: none)",
    )
    parser.add_argument(
        "--checkpoint-every", type=types.count, metavar="STEPS", help="steps between checkpoints (default: one epoch)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue from the last checkpoint in the output folder, if there is one"
    )
    parser.add_argument(
        "--resume-with",
        type=types.names,
        default=[],
        metavar="NAMES",
        help="settings that may differ from the run resumed, such as lr,batch_size (default: none)",
    )
    parser.add_argument("--output", type=Path, default=Path("runs/train"), help="folder for model and picture")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    parser.add_argument("--profile", action="store_true", help="print the time of each kernel call of a training step")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    checkpoints = arguments.output / "checkpoints"
    if ranks.is_launcher(arguments):
        return ranks.launch(arguments, checkpoints)
    if arguments.threads:
        set_num_threads(arguments.threads)
    here = World() if arguments.shards is None else world()
    with ExitStack() as held:
        with here.together():
            if here.rank == 0:
                arguments.output.mkdir(parents=True, exist_ok=True)
                held.enter_context(in_use(arguments.output, "train"))
        return _train(arguments, checkpoints, here)


def _train(arguments: argparse.Namespace, checkpoints: Path, here: World) -> int:
    manual_seed(arguments.seed)
    building.complete(arguments)
    parts = datasets.load(arguments)
    prepared = building.prepared(arguments, parts)
    if not arguments.json and here.rank == 0:
        shape = "-".join(map(str, prepared.sizes))
        rate = prepared.optimizer.groups[0].lr
        rule = f"{arguments.optimizer}, {rate if callable(rate) else schedules.constant(rate)}"
        dropout = f", dropout {arguments.dropout:g}" if arguments.dropout else ""
        print(f"{shape} {arguments.activation}{dropout}, {rule}, batches of {arguments.batch_size}")
        ran = f", ranks: {here.size}" if arguments.shards else ""
        print(f"{kernels.isa()}, threads: {kernels.num_threads()}{ran}, seed {arguments.seed}", flush=True)
        if parts.meaning.task == "regression":
            for name, std in zip(parts.meaning.labels or ("labels",), np.atleast_1d(parts.std), strict=True):
                print(f"{shown(name)}: trained in units of its standard deviation, {std:.6g}")
    progress = not arguments.json and is_terminal()
    history = prepared.fit(
        arguments,
        parts,
        *([training.Evaluate(parts.test)] if parts.test and parts.meaning.task == "classification" else []),
        *([] if arguments.json else [Table()]),
        *([Profiled()] if arguments.profile and not arguments.json else []),
        training.Checkpoint(checkpoints, arguments.checkpoint_every, overwrite=True),
        resume=checkpoints if arguments.resume else None,
        resume_with=arguments.resume_with,
        progress=progress,
    )
    if history.stopped and not (progress or arguments.json or here.rank):
        print(f"stopped: {history.stopped}")
    here.first(lambda: _finish(arguments, prepared.model, history, parts))
    return 130 if history.stopped == "interrupted" else 0


class Profiled(training.Callback):
    """Prints the training step's program with the time of each call at the end of the run."""

    observer = True
    alone = True

    def on_fit_end(self, run: training.Run) -> None:
        if run.captured is not None and run.step:
            print(run.captured.profile())


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
    """Folds the labels' mean and deviation into the last layer, so that the outputs have the labels' unit."""
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
            if name not in ("run", "command", "json", "given")
        },
        "isa": kernels.isa(),
        "threads": kernels.num_threads(),
        "epochs": history.rows,
        "stopped": history.stopped,
        "model": str(model),
        "curves": None if picture is None else str(picture),
    }
