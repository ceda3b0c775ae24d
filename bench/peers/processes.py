"""Import time of each framework, and the memory of a process that trains."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path

from minidnn.columns import markdown

from . import steps
from .workers import Worker

IMPORTS = {
    "minidnn": "minidnn.data, minidnn.nn, minidnn.optim, minidnn.training",  # submodules are imported lazily
    "torch": "torch",
    "jax": "jax, jax.numpy",
    "tensorflow": "tensorflow",
}
CODE = "import time, numpy; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def import_seconds(python: Path, modules: str) -> float:
    """The import time without NumPy's, the median over several new processes."""
    command = [python, "-P", "-c", CODE.format(modules)]
    runs = [subprocess.run(command, capture_output=True, check=True) for _ in range(5)]
    return statistics.median(json.loads(run.stdout) for run in runs)


def peak_megabytes(name: str, python: Path) -> float:
    """The peak memory of a process that runs steps of the first workload."""
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
