"""``python -m bench scale --ranks``: a step over threads, over ranks, and what a model of both predicts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from itertools import pairwise
from typing import Any

import numpy as np

from minidnn.columns import markdown

NETWORKS = {
    "784-300-50-10, batch 64": ((784, 300, 50, 10), 64),
    "784-1024-1024-10, batch 2048": ((784, 1024, 1024, 10), 2048),
    "784-2048-2048-10, batch 8192": ((784, 2048, 2048, 10), 8192),
}
MEASURED = tuple(NETWORKS)[:2]
SIZES = (256, 4096, 65536, 1 << 20, 1 << 22)  # elements of an exchange
LINKS = {"10 Gbit/s, 20 us": (20e-6, 1 / 1.25e9), "100 Gbit/s, 2 us": (2e-6, 1 / 12.5e9)}
RANKS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def elements(sizes: tuple[int, ...]) -> int:
    return sum((a + 1) * b for a, b in pairwise(sizes))


def exchange_seconds(ranks: int, size: int, alpha: float, beta: float) -> float:
    """Alltoall and Allgather by pairs: ``2 (R - 1) (alpha + bytes / R * beta)``."""
    return 2 * (ranks - 1) * (alpha + 4 * size / ranks * beta)


def fitted(times: dict[int, float], ranks: int) -> tuple[float, float]:
    """alpha and beta by least squares of the relative errors."""
    size, seconds = np.array(list(times)), np.array(list(times.values()))
    columns = np.stack([np.full(len(size), 2.0 * (ranks - 1)), 2 * (ranks - 1) * 4 * size / ranks], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(columns / seconds[:, None], np.ones(len(size)), rcond=None)
    return max(float(alpha), 0.0), max(float(beta), 0.0)


def step_seconds(name: str, shards: int | None, steps: int = 12) -> float:
    """The median time of a step of `fit`, callbacks and batches included."""
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


def _child(threads: int, ranks: int, shards: int | None) -> dict[str, Any]:
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    start = [sys.executable, "-m", "bench", "scale", "--ranks", "--here", *([str(shards)] if shards else [])]
    if ranks > 1:
        start = [
            shutil.which("mpiexec", path=path) or "mpiexec",
            "-n",
            str(ranks),
            start[0],
            "-m",
            "mpi4py",
            *start[1:],
        ]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        start, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(argv: list[str]) -> int:
    if argv[:1] == ["--here"]:
        if found := measure(int(argv[1]) if argv[1:] else None):
            print(json.dumps(found), flush=True)
        return 0
    rows = {
        "1 thread": _child(1, 1, None),
        "1 thread, shards=8": _child(1, 1, 8),
        "2 threads": _child(2, 1, None),
        "2 threads, shards=8": _child(2, 1, 8),
        "2 ranks of 1 thread, shards=8": _child(1, 2, 8),
        "2 ranks of 1 thread, shards=2": _child(1, 2, 2),
    }
    steps = [[label, *(f"{1e3 * found['steps'][name]:.2f}" for name in MEASURED)] for label, found in rows.items()]
    print(markdown(["milliseconds a step", *MEASURED], steps))
    exchange = {int(size): seconds for size, seconds in rows["2 ranks of 1 thread, shards=8"]["exchange"].items()}
    alpha, beta = fitted(exchange, 2)
    print(f"\nexchange of 2 ranks here: alpha {1e6 * alpha:.1f} us, {1e-9 / beta:.2f} GB/s\n")
    exchanges = [
        (str(4 * size), f"{1e6 * seconds:.0f}", f"{1e6 * exchange_seconds(2, size, alpha, beta):.0f}")
        for size, seconds in exchange.items()
    ]
    print(markdown(["bytes", "measured, us", "model"], exchanges))
    alone = rows["1 thread, shards=8"]["steps"]
    checked = []
    for name in MEASURED:
        told = alone[name] / 2 + exchange_seconds(2, elements(NETWORKS[name][0]), alpha, beta)
        measured = rows["2 ranks of 1 thread, shards=8"]["steps"][name]
        checked.append((name, f"{1e3 * measured:.2f}", f"{1e3 * told:.2f}"))
    print(f"\n{markdown(['step of 2 ranks', 'measured, ms', 'model, compute / 2 + exchange'], checked)}")
    (large, batch), last = NETWORKS[MEASURED[-1]], tuple(NETWORKS)[-1]
    known = alone | {last: alone[MEASURED[-1]] * _work(last) / (elements(large) * batch)}  # at the same GFLOP/s
    predicted = []
    for name, seconds in known.items():
        for link, (latency, inverse) in LINKS.items():
            size = elements(NETWORKS[name][0])
            cells = [seconds / (seconds / r + exchange_seconds(r, size, latency, inverse)) for r in RANKS]
            predicted.append([f"{name}; {link}", *(f"{cell:.1f}" for cell in cells)])
    print(f"\n{markdown(['speed-up predicted', *map(str, RANKS)], predicted)}")
    return 0


def _work(name: str) -> int:
    sizes, batch = NETWORKS[name]
    return elements(sizes) * batch
