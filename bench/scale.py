"""``python -m bench scale``: how the time of a captured step grows with its batch and with its width.

``python -m bench scale --ranks``: with threads and with ranks, and a model's predictions for more ranks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from minidnn.columns import markdown

BATCHES = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)  # of 784-300-50-10
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)  # of 784-width-width-10, batch 256
Point = dict[str, float]


def point(sizes: tuple[int, ...], batch: int, seconds: float) -> Point:
    """Microseconds an example, and GFLOP/s; medians of five rounds."""
    from .bench_steps import flops
    from .peers.minidnn_steps import build
    from .peers.worker import seconds_a_call
    from .peers.workloads import Workload

    step, _ = build(Workload("", sizes, batch))
    step()
    median = statistics.median(seconds_a_call(step, seconds) for _ in range(5))
    return {"us": 1e6 * median / batch, "gflops": flops(sizes, batch) / median / 1e9}


def measure(seconds: float) -> dict[str, list[Point]]:
    return {
        "batch": [point((784, 300, 50, 10), batch, seconds) for batch in BATCHES],
        "width": [point((784, width, width, 10), 256, seconds) for width in WIDTHS],
    }


def draw(curves: dict[int, dict[str, list[Point]]], file: Path) -> None:
    from minidnn import plot

    drawing, (left, right) = plot.figure(columns=2, width=8.0, height=3.6)
    for threads, curve in curves.items():
        style = {"label": f"{threads} thread{'s' if threads > 1 else ''}", "color": plot.COLOURS[len(left.lines)]}
        left.plot(BATCHES, [each["us"] for each in curve["batch"]], "o-", markersize=3.5, linewidth=1.8, **style)
        right.plot(WIDTHS, [each["gflops"] for each in curve["width"]], "o-", markersize=3.5, linewidth=1.8, **style)
    for axis, ticks, label, title in (
        (left, BATCHES, "batch (784-300-50-10)", "microseconds an example"),
        (right, WIDTHS, "width (784-width-width-10, batch 256)", "GFLOP/s of a step"),
    ):
        axis.set(xscale="log", ylim=(0, None))
        axis.set_xticks(ticks, ticks)
        axis.minorticks_off()
        axis.set_xlabel(label, color=plot.INK, fontsize=9)
        axis.set_title(title, color=plot.INK, fontsize=10, loc="left")
    plot.legend(drawing)
    file.parent.mkdir(parents=True, exist_ok=True)
    plot.write(drawing, file)


def main(argv: list[str]) -> int:
    if argv[:1] == ["--ranks"]:
        from .ranks import main as ranks

        return ranks(argv[1:])
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of each round (default: 0.1)")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the curves into this file (needs matplotlib)"
    )
    parser.add_argument("--here", action="store_true", help="measure in this process; print JSON")
    arguments = parser.parse_args(argv)
    if arguments.here:
        print(json.dumps(measure(arguments.seconds)))
        return 0
    command = [sys.executable, "-m", "bench", "scale", "--here", "--seconds", str(arguments.seconds)]
    curves = {}
    for threads in map(int, arguments.threads.split(",")):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        curves[threads] = json.loads(
            subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
        )
    for name, values in (("batch", BATCHES), ("width", WIDTHS)):
        heads, rows = [name], [[str(value)] for value in values]
        for n, curve in curves.items():
            heads += [f"{n} threads, us an example", "GFLOP/s"]
            for row, point in zip(rows, curve[name], strict=True):
                row += [f"{point['us']:.2f}", f"{point['gflops']:.0f}"]
        print(f"\n{markdown(heads, rows)}")
    if arguments.picture:
        draw(curves, arguments.picture)
    return 0
