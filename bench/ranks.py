"""``python -m bench scale --ranks``: the time of a step with threads and with ranks, and a model's predictions."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.columns import markdown
from minidnn.parallel.launching import mpiexec

NETWORKS = {
    "784-300-50-10, batch 64": ((784, 300, 50, 10), 64),
    "784-1024-1024-10, batch 2048": ((784, 1024, 1024, 10), 2048),
    "784-2048-2048-10, batch 8192": ((784, 2048, 2048, 10), 8192),
}
MEASURED = tuple(NETWORKS)[:2]
SIZES = (256, 4096, 65536, 1 << 20, 1 << 22)  # numbers of elements exchanged
LINKS = {"10 Gbit/s, 20 us": (20e-6, 1 / 1.25e9), "100 Gbit/s, 2 us": (2e-6, 1 / 12.5e9)}
RANKS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def elements(sizes: tuple[int, ...]) -> int:
    return sum((a + 1) * b for a, b in pairwise(sizes))


def exchange_seconds(ranks: int, size: int, alpha: float, beta: float) -> float:
    """Pairwise Alltoall and Allgather: ``2 (R - 1) (alpha + bytes / R * beta)``."""
    return 2 * (ranks - 1) * (alpha + 4 * size / ranks * beta)


def fitted(times: dict[int, float], ranks: int) -> tuple[float, float]:
    """alpha and beta, by least squares of the relative errors."""
    size, seconds = np.array(list(times)), np.array(list(times.values()))
    columns = np.stack([np.full(len(size), 2.0 * (ranks - 1)), 2 * (ranks - 1) * 4 * size / ranks], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(columns / seconds[:, None], np.ones(len(size)), rcond=None)
    return max(float(alpha), 0.0), max(float(beta), 0.0)


def step_seconds(name: str, shards: int | None, steps: int = 12) -> float:
    """The median time of a step of `fit`, with its callbacks and batches."""
    import minidnn
    from minidnn import nn, optim, training

    class Clock(training.Callback):
        observer = True
        times: list[float] = []  # noqa: RUF012

        def on_step_end(self, run: training.Run) -> None:
            self.times.append(time.perf_counter())

    sizes, batch = NETWORKS[name]
    Clock.times = []
    steps = steps if batch > 1000 else 40 * steps
    rng = np.random.default_rng(0)
    x, y = rng.random((4 * batch, sizes[0]), np.float32), rng.integers(0, sizes[-1], 4 * batch)
    minidnn.manual_seed(0)
    pairs = list(pairwise(sizes))
    model = nn.Sequential(*[nn.Dense(a, b, "relu" if b != sizes[-1] else None) for a, b in pairs])
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    training.fit(
        model, x, y, optimizer=optimizer, epochs=-(-steps // 4), batch_size=batch, shards=shards, metrics=[],
        callbacks=[Clock()], progress=False,
    )  # fmt: skip
    return float(np.median(np.diff(Clock.times)[2:]))


def measure(shards: int | None) -> dict[str, Any]:
    from minidnn.parallel import World, world

    here = World() if shards is None else world()
    found: dict[str, Any] = {"steps": {name: step_seconds(name, shards) for name in MEASURED}}
    if here.size > 1:
        found["exchange"] = {}
        for size in SIZES:
            array, times = np.zeros(size, np.float32), []
            for _ in range(40):
                here.decided(True)
                start = time.perf_counter()
                here.fold(array)
                times.append(time.perf_counter() - start)
            found["exchange"][size] = float(np.median(times[5:]))
    return found if here.rank == 0 else {}


def start(threads: int, ranks: int, shards: int | None) -> subprocess.Popen[str]:
    """Starts a process, or ranks, that run `measure` and print its result."""
    command = [sys.executable, "-m", "bench", "scale", "--ranks", "--here", *([str(shards)] if shards else [])]
    if ranks > 1:
        command = [mpiexec(), "-n", str(ranks), command[0], "-m", "mpi4py", *command[1:]]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def found_by(*processes: subprocess.Popen[str]) -> dict[str, Any]:
    """The result of processes that run at the same time; their step times are averaged."""
    results = []
    for process in processes:
        output, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"bench scale: a process ended with exit code {process.returncode}")
        results.append(json.loads(output))
    steps = {name: float(np.mean([found["steps"][name] for found in results])) for name in MEASURED}
    return results[0] | {"steps": steps}


ALONE, TOGETHER, RANKED = "1 thread, shards=8", "2 processes at once, each alone, shards=8", "2 ranks, shards=8"


def measured() -> dict[str, dict[str, Any]]:
    return {
        "1 thread": found_by(start(1, 1, None)),
        ALONE: found_by(start(1, 1, 8)),
        TOGETHER: found_by(start(1, 1, 8), start(1, 1, 8)),
        "2 threads": found_by(start(2, 1, None)),
        "2 threads, shards=8": found_by(start(2, 1, 8)),
        RANKED: found_by(start(1, 2, 8)),
        "2 ranks, shards=2": found_by(start(1, 2, 2)),
    }


def main(argv: list[str]) -> int:
    if argv[:1] == ["--here"]:
        if found := measure(int(argv[1]) if argv[1:] else None):
            print(json.dumps(found), flush=True)
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench scale --ranks", description=__doc__)
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the predictions into this file (needs matplotlib)"
    )
    arguments = parser.parse_args(argv)
    rows = measured()
    steps = [[label, *(f"{1e3 * found['steps'][name]:.2f}" for name in MEASURED)] for label, found in rows.items()]
    print(markdown(["milliseconds a step", *MEASURED], steps))
    alpha, beta = _fit_exchange({int(size): seconds for size, seconds in rows[RANKED]["exchange"].items()})
    _check(rows, alpha, beta)
    predicted = predictions(rows[ALONE]["steps"])
    cells = [[name, *(f"{value:.1f}" for value in values)] for name, values in predicted.items()]
    print(f"\n{markdown(['speed-up predicted', *map(str, RANKS)], cells)}")
    if arguments.picture:
        draw(predicted, arguments.picture)
    return 0


def _fit_exchange(exchange: dict[int, float]) -> tuple[float, float]:
    """alpha and beta, fitted to every second size; the other sizes check the model."""
    alpha, beta = fitted({size: exchange[size] for size in SIZES[::2]}, 2)
    print(f"\nexchange of 2 ranks here: alpha {1e6 * alpha:.1f} us, {1e-9 / beta:.2f} GB/s\n")
    cells = [
        (str(4 * n), f"{1e6 * exchange[n]:.0f}", f"{1e6 * exchange_seconds(2, n, alpha, beta):.0f}",
         "fitted" if n in SIZES[::2] else "predicted")
        for n in SIZES
    ]  # fmt: skip
    print(markdown(["bytes", "measured, us", "model, us", ""], cells))
    return alpha, beta


def _check(rows: dict[str, dict[str, Any]], alpha: float, beta: float) -> None:
    """Compares the step of 2 ranks with the model: half the step of two processes at once, plus the exchange."""
    cells = []
    for name in MEASURED:
        alone, together, ranked = (rows[label]["steps"][name] for label in (ALONE, TOGETHER, RANKED))
        model = together / 2 + exchange_seconds(2, elements(NETWORKS[name][0]), alpha, beta)
        cells.append((name, f"{together / alone:.2f}", f"{1e3 * model:.2f}", f"{1e3 * ranked:.2f}"))
    heads = ["step of 2 ranks", "two processes share memory: slower by", "model, ms", "measured, ms"]
    print(f"\n{markdown(heads, cells)}")


def predictions(alone: dict[str, float]) -> dict[str, list[float]]:
    """The speed-up for each network and link by `RANKS` hosts of one rank each, which share no memory."""
    (large, batch), last = NETWORKS[MEASURED[-1]], tuple(NETWORKS)[-1]
    known = alone | {last: alone[MEASURED[-1]] * _work(last) / (elements(large) * batch)}  # at the same GFLOP/s
    return {
        f"{name}; {link}": [
            seconds / (seconds / ranks + exchange_seconds(ranks, elements(NETWORKS[name][0]), latency, inverse))
            for ranks in RANKS
        ]
        for name, seconds in known.items()
        for link, (latency, inverse) in LINKS.items()
    }


def draw(predicted: dict[str, list[float]], file: Path) -> None:
    """The predicted speed-up over the number of ranks, on logarithmic axes."""
    from minidnn import plot

    drawing, (axis,) = plot.figure(width=8.0, height=4.2)
    axis.plot(RANKS, RANKS, color=plot.GRID, linewidth=1.8, label="linear")
    for place, (name, values) in enumerate(predicted.items()):
        colour, dash = plot.COLOURS[place // len(LINKS)], ("--", "-")[place % len(LINKS)]
        axis.plot(RANKS, values, dash, color=colour, linewidth=1.8, label=name)
    axis.set(xscale="log", yscale="log")
    axis.set_xticks(RANKS, RANKS)
    ticks = (0.1, 1, 10, 100, 1000)
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("ranks", color=plot.INK, fontsize=9)
    axis.set_title("speed-up over one rank, predicted", color=plot.INK, fontsize=10, loc="left")
    plot.legend(drawing)
    file.parent.mkdir(parents=True, exist_ok=True)
    plot.write(drawing, file)


def _work(name: str) -> int:
    sizes, batch = NETWORKS[name]
    return elements(sizes) * batch
