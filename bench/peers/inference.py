"""Forward passes beside onnxruntime, PyTorch and scipy.sparse, on the same weights and images."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .workers import ROOT, Worker, environment_for

WORKERS = {
    "minidnn": ("minidnn", "minidnn dense", "minidnn bfloat16", "minidnn int8", "minidnn eager"),
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch eager", "torch compile"),
    "scipy": ("scipy.sparse",),
}
ROUNDED = {"minidnn bfloat16": 0.03, "minidnn int8": 0.1}
"""Workers with rounded weights, and the error that their outputs may have, relative to the largest output."""


@dataclass(frozen=True)
class Case:
    sizes: tuple[int, ...]
    density: float
    batch: int
    inputs: str  # "images" of MNIST, four fifths of them black; or "noise" without zeros

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, {1 - self.density:.0%} zeros, {self.inputs}, batch {self.batch}"

    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs x, and kernel and bias of each layer: the largest weights of He's initialization, in float32."""
        rng, arrays = np.random.default_rng(1), {}
        for i, (n_in, n_out) in enumerate(pairwise(self.sizes)):
            w = rng.standard_normal((n_in, n_out)) * (2 / (n_in * self.density)) ** 0.5
            if self.density < 1:
                w[np.abs(w) < np.quantile(np.abs(w), 1 - self.density)] = 0
            arrays[f"w{i}"] = w.astype(np.float32)
            arrays[f"b{i}"] = (0.1 * rng.standard_normal(n_out)).astype(np.float32)
        if self.inputs == "images":
            from minidnn import data

            arrays["x"] = data.load_mnist().test[: self.batch].images.copy()
        else:
            arrays["x"] = rng.random((self.batch, self.sizes[0]), dtype=np.float32) + np.float32(0.01)
        return arrays

    def outputs(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """In float64."""
        y = arrays["x"].astype(np.float64)
        for i in range(len(self.sizes) - 1):
            y = y @ arrays[f"w{i}"] + arrays[f"b{i}"]
            y = np.maximum(y, 0) if i + 2 < len(self.sizes) else y
        return y


WIDE, SMALL = (784, 1024, 1024, 10), (784, 300, 50, 10)
CASES = [
    Case(sizes, density, batch, inputs)
    for sizes in (WIDE, SMALL)
    for density in (1.0, 0.05)
    for inputs in ("images", "noise")
    for batch in (1, 16, 256)
]


def measure(case: Case, workers: list[Worker], rounds: int, seconds: float) -> dict[str, float]:
    """Median microseconds a call, by worker; workers with wrong results are reported and left out."""
    arrays = case.arrays()
    exact = case.outputs(arrays)
    handle, path = tempfile.mkstemp(suffix=".npz")
    os.close(handle)
    np.savez(path, **arrays)
    valid = []
    for worker in workers:
        if case.density == 1 and worker.name in ("scipy.sparse", "minidnn dense"):
            continue
        answer = worker.ask(load=path, layers=len(case.sizes) - 1)
        if answer is None:
            continue
        apart = np.abs(np.array(answer) - exact).max() / np.abs(exact).max()
        if apart <= ROUNDED.get(worker.name, 1e-5):
            valid.append(worker)
        else:
            print(f"{worker.name}, {case.name}: not timed, off by {apart:.2g} of the largest output", flush=True)
    os.unlink(path)
    times: dict[str, list[float]] = {worker.name: [] for worker in valid}
    for _ in range(rounds):
        for worker in valid:
            if taken := worker.ask(seconds=seconds):
                times[worker.name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items() if taken}


def row(case: Case, threads: int, medians: dict[str, float], names: list[str]) -> str:
    cells = [f"{medians[name]:.1f}" if name in medians else "-" for name in names]
    rivals = [value for name, value in medians.items() if not name.startswith("minidnn")]
    ratio = f"{min(rivals) / medians['minidnn']:.2f}" if rivals and "minidnn" in medians else "-"
    return f"| {case.name} | {threads} | {' | '.join(cells)} | {ratio} |"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench inference", description=__doc__)
    parser.add_argument("--frameworks", default="onnxruntime,torch,scipy", help="default: all three")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains TEXT, such as 'batch 16'")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each round (default: 0.05)")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "peers", help="for the environments and results")
    arguments = parser.parse_args(argv)
    frameworks = [name for name in arguments.frameworks.split(",") if name]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    pythons = {"minidnn": Path(sys.executable)} | {fw: environment_for(fw, arguments.folder) for fw in frameworks}
    names = [worker for framework in pythons for worker in WORKERS[framework]]
    print(f"| forward pass, microseconds | threads | {' | '.join(names)} | fastest peer / minidnn |")
    print("|" + "---|" * (len(names) + 3), flush=True)
    results = []
    for threads in map(int, arguments.threads.split(",")):
        workers = [
            Worker(name, pythons[fw], threads, "bench.peers.inference_worker") for fw in pythons for name in WORKERS[fw]
        ]
        for case in (case for case in CASES if arguments.only in case.name):
            medians = measure(case, workers, arguments.rounds, arguments.seconds)
            print(row(case, threads, medians, names), flush=True)
            results.append({"case": case.name, "threads": threads, "microseconds": medians})
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
    (arguments.folder / "inference.json").write_text(json.dumps(results, indent=2))
    return 0
