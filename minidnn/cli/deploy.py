"""``minidnn compile``, ``predict`` and ``bench``: a trained model made quick, asked, and timed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import minidnn
from minidnn import data, deploy, kernels, set_num_threads
from minidnn.cli import datasets, images, types

CALIBRATION_EXAMPLES = 1000
MNIST_INPUTS, FAR_FROM_CHANCE = 784, 0.5
FORMS: dict[str, Any] = {"auto": "auto", "always": True, "never": False}


def add(subparsers: Any) -> None:
    """The three subcommands."""
    _add_compile(subparsers)
    _add_predict(subparsers)
    _add_bench(subparsers)


def _add_compile(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compile",
        help="make a model that only runs out of a trained one",
        description="Folds, prunes if asked, packs and writes a model that `minidnn predict` and deploy.load read.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a .safetensors file that minidnn.save wrote")
    parser.add_argument("-o", "--output", type=Path, help="the file to write; else the model's name with .mdnn")
    parser.add_argument("--prune", type=types.fraction, metavar="FRACTION", help="set so many weights to zero first")
    parser.add_argument("--scope", choices=("layer", "global"), default="global", help="of the fraction")
    parser.add_argument("--sparse", choices=list(FORMS), default="auto", help="store without the zeros")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--int8", dest="dtype", action="store_const", const="int8", help="weights of one byte")
    kinds.add_argument("--bfloat16", dest="dtype", action="store_const", const="bfloat16", help="weights of two bytes")
    parser.add_argument(
        "--data",
        metavar="DATA",
        help="what the model was trained on, as for `minidnn train`; its validation part measures the accuracy before "
        "and after; MNIST where the model takes 784 and gives 10, if it knows MNIST",
    )
    parser.add_argument(
        "--label", type=types.column, default=-1, metavar="COLUMN", help="of a table, as it was trained"
    )
    parser.add_argument("--seed", type=types.seed, default=42, help="as it was trained: it splits tables and folders")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="examples (IDX, npy) for the ranges of int8, by default training examples of the data; storage is chosen "
        "for them, too",
    )
    parser.add_argument(
        "--limit",
        type=types.points,
        default=1.0,
        metavar="POINTS",
        help="nothing is written where the accuracy falls by more, or without labels the share of changed classes is "
        "larger",
    )
    parser.add_argument("--force", action="store_true", help="write it whatever it loses, or where nothing tells")
    parser.add_argument("--batch-size", type=types.count, default=1, help="what storage is chosen for")
    parser.set_defaults(run=_compile)


def _compile(arguments: argparse.Namespace) -> int:
    original = minidnn.load(arguments.model)
    dtype: Any = arguments.dtype or "float32"
    model = original
    if arguments.prune is not None:
        model = minidnn.load(arguments.model)
        print(deploy.prune(model, fraction=arguments.prune, scope=arguments.scope))
    examples, validation = _measured_on(arguments, original)
    if examples is None and dtype == "int8":
        raise ValueError("--int8 needs --calibration with examples of what the model takes, or --data")
    compiled = deploy.compile(
        model,
        sparse=FORMS[arguments.sparse],
        dtype=dtype,
        calibration=examples,
        batch_size=arguments.batch_size,
        validation=validation,
        original=original,
    )
    print(compiled.describe())
    lossless = arguments.prune is None and dtype == "float32"
    if not (lossless or arguments.force) and (refusal := _refusal(compiled, arguments.limit)):
        print(f"minidnn compile: {refusal}; nothing was written", file=sys.stderr)
        return 1
    output = arguments.output or arguments.model.with_suffix(".mdnn")
    compiled.save(output)
    before, after = arguments.model.stat().st_size, output.stat().st_size
    print(f"saved {output}: {after:,} bytes, {before / after:.1f} times smaller than {arguments.model}")
    return 0


def _refusal(compiled: deploy.InferenceModel, limit: float) -> str | None:
    """Why it must not be written."""
    remedy = "prune less, train on with the zeros held (training.KeepZeros), raise --limit, or give --force"
    if compiled.validation is not None:
        if compiled.validation.points > limit:
            return f"the accuracy falls by {compiled.validation.points:.2f} points, --limit is {limit:g}; {remedy}"
    elif compiled.loss is not None:
        changed = 100 * compiled.loss.changed
        if changed > limit:
            return (
                f"{changed:.2f} % of the examples have another class, so many points the accuracy may fall, --limit is "
                f"{limit:g}; measure it with --data, {remedy}"
            )
    else:
        return "nothing tells what it loses; name the data with --data, examples with --calibration, or give --force"
    return None


def _measured_on(arguments: argparse.Namespace, model: minidnn.nn.Module) -> tuple[Any, data.Dataset | None]:
    """Calibration examples and the labelled ones to measure with, each None where there are none."""
    parts: datasets.Parts | None = None
    if arguments.data is not None:
        parts = datasets.load(arguments.data, arguments.label, arguments.seed)
    elif _knows_mnist(model):
        parts = datasets.load("mnist", -1, arguments.seed)
    examples = None if parts is None else parts.train[:CALIBRATION_EXAMPLES].inputs
    if arguments.calibration is not None:
        examples = images.read([arguments.calibration], None)[:CALIBRATION_EXAMPLES]
    return examples, None if parts is None else parts.valid


def _knows_mnist(model: minidnn.nn.Module) -> bool:
    """Whether the model classifies MNIST's validation images far better than by chance."""
    if deploy.inputs_of(model) != MNIST_INPUTS:
        return False
    compiled = deploy.compile(model, sparse=False)
    valid = data.load_mnist().valid
    return compiled.n_out == 10 and bool(np.mean(compiled.predict(valid.x).argmax(axis=1) == valid.y) > FAR_FROM_CHANCE)


def _add_predict(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "predict",
        help="ask a compiled model",
        description="Prints for each example its class, the largest output, and that class's probability. Files are "
        "IDX (gzipped or not), .npy, or PNG and other pictures (grey, of the size the model takes).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a .mdnn file")
    parser.add_argument("images", type=Path, nargs="+", metavar="FILE", help="examples")
    parser.add_argument("--invert", action="store_true", help="pictures are dark on light, MNIST is light on dark")
    parser.add_argument("--json", action="store_true", help="print one JSON list in place of lines")
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    model = deploy.load(arguments.model)
    rows = []
    for path in arguments.images:
        x = images.read([path], model.n_in, arguments.invert)
        outputs = model.predict(x).astype(np.float64)
        classes = outputs.argmax(axis=1)
        for i, (k, p) in enumerate(zip(classes, _probabilities(outputs), strict=True)):
            rows.append({"file": str(path), "example": i, "class": int(k), "probability": round(float(p[k]), 6)})
    if arguments.json:
        print(json.dumps(rows, indent=2))
    for row in [] if arguments.json else rows:
        print(f"{row['file']}[{row['example']}]: {row['class']} ({row['probability']:.1%})")
    return 0


def _probabilities(outputs: Any) -> Any:
    """The outputs where they are probabilities already, else their softmax."""
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-4):
        return outputs
    e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _add_bench(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="time a compiled model",
        description="Times single calls of predict, and prints the percentiles in microseconds.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a .mdnn file")
    parser.add_argument("--batch-sizes", type=types.sizes, default=[1, 16, 256], help="as 1,16,256")
    parser.add_argument("--seconds", type=types.rate, default=1.0, help="for each batch size")
    parser.add_argument("--threads", type=types.count, help="at most; all by default")
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
    print(model.describe())
    print(f"{kernels.isa()}, threads: {kernels.num_threads()}; microseconds a call, on random inputs without zeros")
    print(f"{'batch':>6}  {'calls':>8}  {'p50':>9}  {'p90':>9}  {'p99':>9}  {'examples/s':>12}")
    for row in rows:
        print(
            f"{row['batch']:6d}  {row['calls']:8d}  {row['p50']:9.1f}  {row['p90']:9.1f}  {row['p99']:9.1f}  "
            f"{row['batch'] / row['p50'] * 1e6:12,.0f}"
        )
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
