"""``python -m bench``: all benches of kernels and steps, in one process for each number of threads.

Others: ``python -m bench peers``, ``inference``, ``scale``, ``neighbour``, ``overhead``, ``imports``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from fnmatch import fnmatch

from . import history
from .harness import Bench, Result, from_json, run, table, to_json

OTHERS = {
    "peers": ".peers.run",
    "inference": ".peers.inference",
    "scale": ".scale",
    "neighbour": ".neighbour",
    "overhead": ".overhead",
    "imports": ".imports",
}


def all_benches() -> list[Bench]:
    from . import bench_data, bench_inference, bench_kernels, bench_products, bench_steps, bench_training

    modules = (bench_steps, bench_products, bench_training, bench_inference, bench_kernels, bench_data)
    return [bench for module in modules for bench in module.BENCHES]


def main() -> int:
    if (command := "".join(sys.argv[1:2])) in OTHERS:
        module = importlib.import_module(OTHERS[command], __package__)
        return int(module.main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, one thread: checks that all benches run")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="benches whose name matches, such as 'matmul*'")
    parser.add_argument("--save", metavar="FILE", help="write the results as JSON, with machine and commit")
    parser.add_argument(
        "--compare",
        metavar="FILE",
        help="list the benches slower against their peer than in a file of --save; exit code 1 if any",
    )
    parser.add_argument("--list", action="store_true", help="list the names")
    parser.add_argument(
        "--here", type=int, metavar="N", help="run in this process, which was started for N threads; print JSON"
    )
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(bench.name for bench in all_benches()))
        return 0
    if arguments.here:
        print(to_json(_run(arguments)))
        return 0
    import numpy

    import minidnn

    print(f"minidnn {minidnn.__version__} {minidnn.kernels.isa()}, NumPy {numpy.__version__}; medians", flush=True)
    counts = [1] if arguments.quick else [int(n) for n in arguments.threads.split(",")]
    results = [result for threads in counts for result in _in_process(threads, arguments)]
    print(table(results))
    print(f"importing minidnn takes {_import_milliseconds():.0f} ms beyond NumPy")
    if arguments.save:
        history.save(arguments.save, results)
    if not arguments.compare:
        return 0
    lost = history.compare(arguments.compare, results)
    print(f"since {history.origin(arguments.compare)}: " + ("nothing is slower" if not lost else f"{len(lost)} slower"))
    print("\n".join(lost))
    return int(bool(lost))


def _run(arguments: argparse.Namespace) -> list[Result]:
    rounds, seconds = (3, 0.001) if arguments.quick else (15, 0.02)
    chosen = [bench for bench in all_benches() if fnmatch(bench.name, arguments.only)]
    return [run(bench, arguments.here, rounds, seconds) for bench in chosen]


def _in_process(threads: int, arguments: argparse.Namespace) -> list[Result]:
    # NumPy's BLAS reads its number of threads from the environment when it starts.
    environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    options = ["--here", str(threads), "--only", arguments.only, *(["--quick"] if arguments.quick else [])]
    command = [sys.executable, "-m", "bench", *options]
    return from_json(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def _import_milliseconds() -> float:
    """The median over several new processes."""
    code = "import time, numpy; t = time.perf_counter(); import minidnn; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True) for _ in range(7)]
    return sorted(json.loads(run.stdout) for run in runs)[3] * 1e3


if __name__ == "__main__":
    sys.exit(main())
