"""Results stored with their machine and commit, and compared by their ratios to the peer of the same run.

Times of two runs differ with the machine and its load; the ratio to NumPy's time in the same minute differs less. So a
regression is a ratio that fell.
"""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import minidnn

from .harness import Result

REGRESSION = 0.9
"""A ratio below this share of the stored one is a regression."""


def save(path: str, results: list[Result]) -> None:
    """Writes the results with machine, versions and commit."""
    Path(path).write_text(json.dumps(document(results), indent=1) + "\n")


def document(results: list[Result]) -> dict[str, Any]:
    """The results with machine, instruction set, versions and commit."""
    return {
        "machine": _processor(),
        "isa": minidnn.kernels.isa(),
        "minidnn": minidnn.__version__,
        "commit": _commit(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "results": [asdict(result) for result in results],
    }


def compare(path: str, results: list[Result]) -> list[str]:
    """A line for each bench whose ratio to its peer fell since the stored run.

    Raises:
        ValueError: the file is not one of --save, or has none of these benches.
    """
    try:
        stored = json.loads(Path(path).read_text())
        before = {(r["name"], r["threads"]): r["peer"] / r["ours"] for r in stored["results"]}
    except (json.JSONDecodeError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{path} is not a file that --save wrote: {error!r}") from error
    known = [result for result in results if (result.name, result.threads) in before]
    if not known:
        raise ValueError(f"{path} has none of these benches")
    lines = []
    for result in known:
        old = before[result.name, result.threads]
        if result.ratio < REGRESSION * old:
            lines.append(
                f"{result.name}, {result.threads} threads: {old:.2f} x {result.peer_name}, now {result.ratio:.2f}"
            )
    return lines


def origin(path: str) -> str:
    """Machine, instruction set and commit of a stored run, in one line."""
    stored = json.loads(Path(path).read_text())
    return f"{stored['machine']}, {stored['isa']}, commit {stored['commit'] or 'unknown'}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
