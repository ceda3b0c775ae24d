"""What a framework costs before it computes anything: its import, and the memory of a process that trains."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path

from minidnn.columns import markdown

from . import steps
from .workers import Worker

IMPORTS = {
    "minidnn": "minidnn.data, minidnn.nn, minidnn.optim, minidnn.training",  # each is loaded when it is used
    "torch": "torch",
    "jax": "jax, jax.numpy",
    "tensorflow": "tensorflow",
}
CODE = "import time, numpy; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def import_seconds(python: Path, modules: str) -> float:
    """Beyond NumPy's, the median of several processes of their own."""
    command = [python, "-P", "-c", CODE.format(modules)]
    runs = [subprocess.run(command, capture_output=True, check=True) for _ in range(5)]
    return statistics.median(json.loads(run.stdout) for run in runs)


def peak_megabytes(name: str, python: Path) -> float:
    """The most memory that a process held which took the steps of the first workload."""
    worker = Worker(name, python, 1)
    worker.ask(study="steps", check=0)
    worker.ask(study="steps", time=0, seconds=0.3)
    answer = worker.ask(memory=True)
    worker.end()
    return float(answer)


def table(pythons: dict[str, Path]) -> str:
    rows = []
    for framework, python in pythons.items():
        seconds = import_seconds(python, IMPORTS[framework])
        peak = peak_megabytes(steps.WORKERS[framework][0], python)
        rows.append((framework, f"{1e3 * seconds:.0f}", f"{peak:.0f}"))
    return markdown(["framework", "import, ms beyond NumPy", "peak memory of training, MB"], rows)
