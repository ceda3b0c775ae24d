"""``minidnn compile`` and ``bench``: a trained model made quick, and timed."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import minidnn
from minidnn import data, deploy, kernels, set_num_threads
from minidnn.cli import types
from minidnn.cli.examples import Reader
from minidnn.cli.models import open_model
from minidnn.cli.terminal import shown, shown_lines
from minidnn.reuse import read_meaning

CALIBRATION_EXAMPLES = 1000
FORMS: dict[str, Any] = {"auto": "auto", "always": True, "never": False}


def add(subparsers: Any) -> None:
    """The two subcommands."""
    _add_compile(subparsers)
    _add_bench(subparsers)


def _add_compile(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compile",
        help="make a model that only runs out of a trained one",
        description="Folds, prunes if asked, packs and writes a model that `minidnn predict` and deploy.load read.",
    )
    parser.add_argument("model", type=Path, help="a .safetensors file that minidnn.save wrote")
    parser.add_argument("-o", "--output", type=Path, help="the file to write (default: the model's name with .mdnn)")
    parser.add_argument(
        "--prune", type=types.fraction, metavar="FRACTION", help="set so many weights to zero first (default: none)"
    )
    parser.add_argument("--scope", choices=("layer", "global"), default="layer", help="of the fraction")
    parser.add_argument("--sparse", choices=list(FORMS), default="auto", help="store without the zeros")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--int8", dest="dtype", action="store_const", const="int8", help="weights of one byte")
    kinds.add_argument("--bfloat16", dest="dtype", action="store_const", const="bfloat16", help="weights of two bytes")
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE",
        help="examples, in a file that minidnn predict reads, for the ranges of int8; storage is chosen for them, too "
        "(default: training images of MNIST where the model takes 784)",
    )
    parser.add_argument("--batch-size", type=types.count, default=1, help="what storage is chosen for")
    parser.set_defaults(run=_compile)


def _compile(arguments: argparse.Namespace) -> int:
    model = minidnn.load(arguments.model)
    if arguments.prune is not None:
        print(deploy.prune(model, fraction=arguments.prune, scope=arguments.scope))
    dtype: Any = arguments.dtype or "float32"
    compiled = deploy.compile(
        model,
        sparse=FORMS[arguments.sparse],
        dtype=dtype,
        calibration=_calibration(arguments, model, dtype),
        batch_size=arguments.batch_size,
    )
    meaning = read_meaning(arguments.model)
    compiled.meaning = meaning if meaning != data.Meaning() else None
    output = arguments.output or arguments.model.with_suffix(".mdnn")
    compiled.save(output)
    print(shown_lines(compiled.describe()))
    before, after = arguments.model.stat().st_size, output.stat().st_size
    print(f"saved {shown(output)}: {after:,} bytes, {before / after:.1f} times smaller than {shown(arguments.model)}")
    return 0


def _calibration(arguments: argparse.Namespace, model: minidnn.nn.Module, dtype: str) -> Any:
    if arguments.calibration is not None:
        asked = open_model(arguments.model)
        reader = Reader(asked.meaning, asked.n_in)
        x = np.concatenate([x for _, x in reader.read([arguments.calibration])])[:CALIBRATION_EXAMPLES]
        return asked.prepare(x)
    if dtype != "int8":
        return None
    mnist = data.load_mnist().train.x
    if deploy.inputs_of(model) != mnist.shape[1]:
        raise ValueError("--int8 needs --calibration with examples of what the model takes")
    return mnist[:CALIBRATION_EXAMPLES]


def _add_bench(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "bench",
        help="time a compiled model",
        description="Times single calls of predict, and prints the percentiles in microseconds.",
    )
    parser.add_argument("model", type=Path, help="a .mdnn file")
    parser.add_argument("--batch-sizes", type=types.sizes, default=[1, 16, 256], help="as 1,16,256")
    parser.add_argument("--seconds", type=types.rate, default=1.0, help="for each batch size")
    parser.add_argument("--threads", type=types.count, help="at most (default: all)")
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
