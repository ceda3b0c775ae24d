"""Builds an environment of its own for the peers, then times everybody in turn."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np

from .workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "torch": "torch==2.13.0",
    "jax": "jax",
    "tensorflow": "tensorflow-cpu",
    "onnxruntime": "onnxruntime onnx",
    "scipy": "scipy",
}
WORKERS = {
    "minidnn": ("minidnn", "minidnn eager"),
    "torch": ("torch compile", "torch eager"),
    "jax": ("jax",),
    "tensorflow": ("tensorflow xla", "tensorflow"),
}


def environment_for(framework: str, folder: Path) -> Path:
    """The Python of a virtual environment that has the framework; made if it is missing."""
    python = folder / framework / "bin" / "python"
    if not python.exists():
        print(f"installing {PACKAGES[framework]} into {folder / framework}", flush=True)
        venv.create(folder / framework, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "numpy", *PACKAGES[framework].split()], check=True)
    return python


class Worker:
    def __init__(self, name: str, python: Path, threads: int, module: str = "bench.peers.worker") -> None:
        self.name = name
        limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        variables = os.environ | dict.fromkeys(limits, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        if threads == 1:
            variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        # JAX and XLA take as many threads as they see cores.
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self.process = subprocess.Popen(
            [python, "-m", module, name, str(threads)],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )

    def ask(self, **request: Any) -> Any:
        """The answer, or None where the worker failed, which it then says."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            reply = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        except BrokenPipeError:
            reply = {"error": "the process ended"}
        if "error" in reply:
            print(f"{self.name}: {reply['error']}", flush=True)
        return reply.get("result")


def agrees(workload: Workload, paths: dict[str, str]) -> list[str]:
    """Those whose parameters after 5 steps are minidnn's."""
    read = {}
    for name, path in paths.items():
        with np.load(path) as arrays:
            read[name] = [arrays[key] for key in arrays]
        os.unlink(path)
    if workload.dropout:
        return list(read)  # everybody's masks are others
    same = []
    for name, arrays in read.items():
        # Adam's steps are as wide as its rate whatever the gradient; where that is near 0, rounding decides the sign.
        shares = [
            np.isclose(theirs, mine, rtol=1e-2, atol=2e-4).mean()
            for mine, theirs in zip(read["minidnn"], arrays, strict=True)
        ]
        if min(shares) > 0.98:
            same.append(name)
        else:
            print(f"{name}, {workload.name}: not timed, only {min(shares):.1%} of an array agree", flush=True)
    return same


def measure(workers: list[Worker], place: int, rounds: int, seconds: float) -> dict[str, float]:
    """Median microseconds a step, by framework."""
    paths = {worker.name: worker.ask(check=place) for worker in workers}
    valid = agrees(WORKLOADS[place], {name: path for name, path in paths.items() if path})
    times: dict[str, list[float]] = {name: [] for name in valid}
    for _ in range(rounds):
        for worker in workers:
            if worker.name in times and (taken := worker.ask(time=place, seconds=seconds)):
                times[worker.name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items() if taken}


def row(workload: Workload, threads: int, medians: dict[str, float], names: list[str]) -> str:
    cells = [f"{medians[name]:.0f}" if name in medians else "-" for name in names]
    rivals = [value for name, value in medians.items() if not name.startswith("minidnn")]
    ratio = f"{min(rivals) / medians['minidnn']:.2f}" if rivals and "minidnn" in medians else "-"
    return f"| {workload.name} | {threads} | {' | '.join(cells)} | {ratio} |"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("--frameworks", default="torch,jax,tensorflow", help="default: all three")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each round (default: 0.3)")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "peers", help="for the environments and results")
    arguments = parser.parse_args(argv)
    frameworks = arguments.frameworks.split(",")
    pythons = {name: environment_for(name, arguments.folder) for name in frameworks}
    pythons = {"minidnn": Path(sys.executable)} | pythons
    names = [worker for framework in pythons for worker in WORKERS[framework]]
    print(f"| step, microseconds | threads | {' | '.join(names)} | fastest peer / minidnn |")
    print("|" + "---|" * (len(names) + 3), flush=True)
    results = []
    for threads in map(int, arguments.threads.split(",")):
        workers = [Worker(name, pythons[fw], threads) for fw in pythons for name in WORKERS[fw]]
        for place, workload in enumerate(WORKLOADS):
            medians = measure(workers, place, arguments.rounds, arguments.seconds)
            print(row(workload, threads, medians, names), flush=True)
            results.append({"workload": workload.name, "threads": threads, "microseconds": medians})
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
    (arguments.folder / "results.json").write_text(json.dumps(results, indent=2))
    return 0
