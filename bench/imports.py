"""``python -m bench imports``: import times in new processes, beside NumPy's own import."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence

STATEMENTS = (
    "import minidnn",
    "from minidnn import nn",
    "from minidnn import data",
    "from minidnn import data, nn, optim, training",
)
CODE = """
import json, time
start = time.perf_counter(); import numpy
between = time.perf_counter(); {}
print(json.dumps([between - start, time.perf_counter() - between]))
"""


def seconds(statement: str) -> tuple[float, float]:
    """The times of NumPy's import and then of the statement, in one new process."""
    command = [sys.executable, "-P", "-c", CODE.format(statement)]
    numpy, ours = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return numpy, ours


def main(arguments: Sequence[str]) -> int:
    rounds = int(arguments[0]) if arguments else 21
    runs: dict[str, list[tuple[float, float]]] = {statement: [] for statement in STATEMENTS}
    for _ in range(rounds):
        for statement, measured in runs.items():
            measured.append(seconds(statement))
    print(f"{'':<48}{'NumPy ms':>9}{'beyond ms':>11}{'ratio':>7}")
    for statement, measured in runs.items():
        numpy, ours = (1e3 * statistics.median(times) for times in zip(*measured, strict=True))
        ratio = statistics.median(b / a for a, b in measured)
        print(f"{statement:<48}{numpy:>9.1f}{ours:>11.1f}{ratio:>7.2f}")
    return 0
