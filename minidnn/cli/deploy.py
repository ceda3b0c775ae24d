"""``minidnn compile`` and ``minidnn bench``: compiles a trained model for inference, and times it."""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import minidnn
from minidnn import Generator, data, deploy, kernels, set_num_threads
from minidnn.cli import datasets, types
from minidnn.cli.examples import Reader
from minidnn.cli.models import Model, model_of
from minidnn.cli.scores import Scores, scores
from minidnn.cli.terminal import shown, shown_lines
from minidnn.columns import columns
from minidnn.models import saving
from minidnn.standard_error import tell

CALIBRATION_EXAMPLES = 1000
MNIST_INPUTS, FAR_FROM_CHANCE = 784, 0.5
FORMS: dict[str, Any] = {"auto": "auto", "always": True, "never": False}


def add(subparsers: Any) -> None:
    """Adds the two subcommands."""
    _add_compile(subparsers)
    _add_bench(subparsers)


def _add_compile(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compile",
        help="compile a trained model for inference",
        description="Folds normalization into the weights, prunes with --prune, packs the weights, and writes a model "
        "that `minidnn predict` and deploy.load read.",
    )
    parser.add_argument("model", type=types.file, help="a .safetensors file that minidnn.save wrote")
    parser.add_argument(
        "-o", "--output", type=types.file, help="the file to write (default: the model's name with .mdnn)"
    )
    parser.add_argument(
        "--prune",
        type=types.fraction,
        metavar="FRACTION",
        help="set this fraction of the weights to zero (default: none)",
    )
    parser.add_argument(
        "--scope", choices=("layer", "global"), default="global", help="prune that fraction of each layer, or of all"
    )
    parser.add_argument("--sparse", choices=list(FORMS), default="auto", help="store only the weights that are not 0")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--int8", dest="dtype", action="store_const", const="int8", help="8-bit integer weights")
    kinds.add_argument(
        "--bfloat16", dest="dtype", action="store_const", const="bfloat16", help="16-bit floating-point weights"
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        help="the training data, as for `minidnn train`; its validation part measures the accuracy before and after "
        "(default: MNIST, if the model has 784 inputs, 10 outputs and classifies MNIST)",
    )
    parser.add_argument(
        "--label",
        type=types.columns,
        metavar="COLUMN",
        help="label column of a table (default: that of the training table)",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="labels of a .npy or IDX file (default: none)")
    parser.add_argument("--seed", type=types.seed, default=42, help="the seed of training, which splits --data")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="examples, in a file that minidnn predict reads, that set the ranges of int8 and the choice of storage "
        "(default: some of --data)",
    )
    parser.add_argument(
        "--limit",
        type=types.points,
        default=1.0,
        metavar="POINTS",
        help="write nothing when the accuracy (for regression, R2) falls by more percentage points, or, without "
        "labels, when more percent of the predicted classes change",
    )
    parser.add_argument("--force", action="store_true", help="write the model whatever the loss of accuracy")
    parser.add_argument("--batch-size", type=types.count, default=1, help="the batch size that storage is chosen for")
    parser.set_defaults(run=_compile)


def _compile(arguments: argparse.Namespace) -> int:
    content = saving.contents(arguments.model)
    original = saving.loaded(content)
    dtype: Any = arguments.dtype or "float32"
    model = original
    if arguments.prune is not None:
        model = copy.deepcopy(original)
        print(deploy.prune(model, fraction=arguments.prune, scope=arguments.scope))
    opened = model_of(content)
    examples, held_back = _measured_on(arguments, opened, original)
    has_classes = opened.meaning.task != "regression" and not opened.meaning.has_several_labels
    validation = None
    if held_back is not None and has_classes:
        validation = data.ArrayDataset(opened.prepare(held_back.inputs), held_back.y)
    if examples is None and dtype == "int8":
        raise ValueError("--int8 needs examples: give --calibration FILE or --data DATA")
    compiled = deploy.compile(
        model,
        sparse=FORMS[arguments.sparse],
        dtype=dtype,
        calibration=examples,
        batch_size=arguments.batch_size,
        validation=validation,
        original=original,
    )
    print(shown_lines(compiled.describe()))
    lossless = arguments.prune is None and dtype == "float32"
    fall = None
    if held_back is not None and not has_classes:
        made = replace(opened, run=compiled.predict, activation=compiled.activation)
        fall = _fall(scores(opened, held_back), scores(made, held_back))
        print("" if fall is None else f"{fall}, of {len(held_back)} validation examples")
    if not (lossless or arguments.force) and (refusal := _refusal(compiled, arguments.limit, has_classes, fall)):
        tell(f"minidnn compile: {shown(refusal)}; nothing was written")
        return 1
    compiled.meaning = opened.stored_meaning if opened.stored_meaning != data.Meaning() else None
    output = arguments.output or arguments.model.with_suffix(".mdnn")
    compiled.save(output)
    before, after = arguments.model.stat().st_size, output.stat().st_size
    print(f"saved {shown(output)}: {after:,} bytes, {before / after:.1f} times smaller than {shown(arguments.model)}")
    return 0


@dataclass(frozen=True)
class Fall:
    """A score before and after, 1 being perfect: R2 for regression, accuracy for several labels."""

    name: str
    before: float
    after: float

    @property
    def points(self) -> float:
        """The fall in percentage points."""
        return 100 * (self.before - self.after)

    def __str__(self) -> str:
        return f"{self.name} {self.before:.4f} before, {self.after:.4f} after"


def _fall(before: Scores, after: Scores) -> Fall | None:
    for measure, name in (("accuracy", "the accuracy"), ("r2", "R2")):
        one, other = before.values.get(measure), after.values.get(measure)
        if one is not None and other is not None:
            return Fall(name, one, other)
    return None


def _refusal(
    compiled: deploy.InferenceModel, limit: float, has_classes: bool = True, fall: Fall | None = None
) -> str | None:
    """Why the compiled model must not be written; None where it may be."""
    remedy = "prune less, continue training with training.KeepZeros, raise --limit, or give --force"
    if compiled.validation is not None:
        if compiled.validation.points > limit:
            return f"the accuracy falls by {compiled.validation.points:.2f} points, --limit is {limit:g}; {remedy}"
    elif fall is not None:
        if not fall.points <= limit:
            return f"{fall.name} falls by {fall.points:.2f} points, --limit is {limit:g}; {remedy}"
    elif compiled.loss is not None and not has_classes:
        moves = f"by {compiled.loss.mean:.3g} on average, {compiled.loss.largest:.3g} at most"
        return (
            f"the outputs are numbers, which change {moves}; measure the loss on labelled data with --data, or give "
            "--force to accept the change"
        )
    elif compiled.loss is not None:
        changed = 100 * compiled.loss.changed
        if changed > limit:
            return (
                f"{changed:.2f} % of the predicted classes change, --limit is {limit:g}; measure the accuracy with "
                f"--data, {remedy}"
            )
    else:
        return "there is nothing to measure the accuracy on; give --data, --calibration or --force"
    return None


def _measured_on(
    arguments: argparse.Namespace, opened: Model, model: minidnn.nn.Module
) -> tuple[Any, data.Dataset | None]:
    """The calibration examples and the labelled validation examples; each is None where there are none."""
    train: data.Dataset | None = None
    valid: data.Dataset | None = None
    if arguments.data in datasets.NAMES or (arguments.data is None and _is_for_mnist(model)):
        train, valid, _ = datasets.named(arguments.data or "mnist")
        opened.meaning.check_same(arguments.data or "mnist", train.meaning, "the data")
    elif arguments.data is not None:
        whole = datasets.labelled(arguments.data, opened.meaning, arguments.labels, arguments.label)
        sizes = [1 - 2 * datasets.SPLIT, datasets.SPLIT, datasets.SPLIT]
        stratify = whole.meaning.task == "classification" and not whole.meaning.has_several_labels
        train, valid, _ = data.split(whole, sizes, stratify=stratify, rng=Generator(arguments.seed))
        valid = valid if len(valid) else None
    examples = None if train is None else opened.prepare(train[:CALIBRATION_EXAMPLES].inputs)
    if arguments.calibration is not None:
        reader = Reader(opened.meaning, opened.n_in)
        x = np.concatenate([x for _, x in reader.read([arguments.calibration])])[:CALIBRATION_EXAMPLES]
        examples = opened.prepare(x)
    return examples, valid


def _is_for_mnist(model: minidnn.nn.Module) -> bool:
    """Whether the model classifies MNIST's validation images far better than by chance."""
    if deploy.inputs_of(model) != MNIST_INPUTS:
        return False
    compiled = deploy.compile(model, sparse=False)
    valid = data.load_mnist().valid
    return compiled.n_out == 10 and bool(np.mean(compiled.predict(valid.x).argmax(axis=1) == valid.y) > FAR_FROM_CHANCE)


def _add_bench(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="time a compiled model",
        description="Times single calls of predict and prints percentiles in microseconds.",
    )
    parser.add_argument("model", type=types.file, help="a .mdnn file")
    parser.add_argument("--batch-sizes", type=types.sizes, default=[1, 16, 256], help="batch sizes to time")
    parser.add_argument("--seconds", type=types.rate, default=1.0, help="duration per batch size in seconds")
    parser.add_argument("--threads", type=types.count, help="maximum number of threads (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON document in place of the table")
    parser.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        set_num_threads(arguments.threads)
    model = deploy.load(arguments.model)
    rows = [_timed(model, batch, arguments.seconds) for batch in arguments.batch_sizes]
    if arguments.json:
        print(json.dumps({"isa": kernels.isa(), "threads": kernels.num_threads(), "batches": rows}, indent=2))
        return 0
    print(shown_lines(model.describe()))
    print(f"{kernels.isa()}, threads: {kernels.num_threads()}; microseconds per call, on random inputs without zeros")
    table: list[tuple[str, ...]] = [("batch", "calls", "p50", "p90", "p99", "examples/s")]
    for row in rows:
        times = (f"{row[name]:.1f}" for name in ("p50", "p90", "p99"))
        table.append((str(row["batch"]), str(row["calls"]), *times, f"{row['batch'] / row['p50'] * 1e6:,.0f}"))
    print(columns(table, left=()))
    return 0


def _timed(model: deploy.InferenceModel, batch: int, seconds: float) -> dict[str, Any]:
    x = np.random.Generator(np.random.PCG64(1)).random((batch, model.n_in), dtype=np.float32) + np.float32(1e-3)
    out = np.empty((batch, model.n_out), np.float32)
    for _ in range(10):
        model.predict(x, out=out)
    calls: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or len(calls) < 10:
        model.predict(x, out=out)
        calls.append(time.perf_counter() - start)
    p50, p90, p99 = (float(p) * 1e6 for p in np.percentile(calls, [50, 90, 99]))
    return {"batch": batch, "calls": len(calls), "p50": p50, "p90": p90, "p99": p99}
