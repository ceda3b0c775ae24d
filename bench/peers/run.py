"""Times all frameworks in interleaved rounds, study by study."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import processes
from .machine import hand_over
from .workers import ROOT, Worker, environment_for

STUDIES = ("steps", "epochs", "accuracy", "products", "elementwise", "processes")
OURS = ("minidnn", "stream")  # these are not peers
AVX2 = {
    "MINIDNN_ISA": "x86_v3",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}
"""The environment variables that limit each library."""
QUIET = 0.1  # seconds after which the threads of the previous worker sleep


def answers(paths: dict[str, str | None]) -> dict[str, list[np.ndarray]]:
    read = {}
    for name, path in paths.items():
        if path:
            with np.load(path) as arrays:
                read[name] = [arrays[key] for key in arrays]
            os.unlink(path)
    return read


def measure(study: Any, workers: list[Worker], place: int, rounds: int, seconds: float) -> dict[str, float]:
    """Median seconds a call, by worker; workers whose results differ from minidnn's are reported and left out."""
    case, name = study.CASES[place], study.__name__.rpartition(".")[2]
    read = answers({worker.name: worker.ask(study=name, check=place) for worker in workers})
    mine, valid = read[workers[0].name], []  # fails if minidnn itself failed
    for worker in workers:
        reason = study.disagreement(case, mine, read[worker.name]) if worker.name in read else "it failed"
        if reason:
            print(f"{worker.name}, {case.name}: not timed, {reason}", flush=True)
        else:
            valid.append(worker)
    times: dict[str, list[float]] = {worker.name: [] for worker in valid}
    for _ in range(rounds):
        for worker in valid:
            time.sleep(QUIET)
            if taken := worker.ask(study=name, time=place, seconds=seconds):
                times[worker.name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items() if taken}


def row(study: Any, case: Any, threads: int, medians: dict[str, float], names: list[str]) -> str:
    cells = [f"{study.UNIT * medians[name]:.{study.DIGITS}f}" if name in medians else "-" for name in names]
    rivals = [value for name, value in medians.items() if not name.startswith(OURS)]
    ratio = f"{min(rivals) / medians[names[0]]:.2f}" if rivals else "-"
    return f"| {case.name} | {threads} | {' | '.join([*cells, ratio])} |"


def run(name: str, pythons: dict[str, Path], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Runs one study at each number of threads, and prints each table row when it is measured."""
    study = importlib.import_module(f"bench.peers.{name}")
    if hasattr(study, "prepare"):
        study.prepare()
    chosen = {framework: study.WORKERS[framework] for framework in pythons if framework in study.WORKERS}
    names = [worker for framework in chosen for worker in chosen[framework]]
    head = [study.TITLE, "threads", *names, "fastest peer / minidnn"]
    print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|", flush=True)
    results = []
    for threads in map(int, arguments.threads.split(",")):
        workers = [Worker(each, pythons[framework], threads) for framework in chosen for each in chosen[framework]]
        for place, case in enumerate(study.CASES):
            if arguments.only not in case.name:
                continue
            medians = measure(study, workers, place, arguments.rounds, arguments.seconds)
            print(row(study, case, threads, medians, names), flush=True)
            results.append({"study": name, "case": case.name, "threads": threads, "seconds": medians})
        for worker in workers:
            worker.end()
        if threads > 1:
            print(f"(a cache line takes {hand_over():.0f} ns from core to core)", flush=True)
    return results


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("--frameworks", default="torch,jax,tensorflow", help="default: all three")
    parser.add_argument("--studies", default=",".join(STUDIES), help="default: %(default)s")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains TEXT, such as 'Adam'")
    parser.add_argument("--threads", default="1,2", help="numbers of threads (default: 1,2)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each round (default: 0.3)")
    parser.add_argument("--avx2", action="store_true", help="limit all frameworks to AVX2")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "peers", help="for the environments and results")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the study steps into this file (needs matplotlib)"
    )
    arguments = parser.parse_args(argv)
    studies = arguments.studies.split(",")
    if unknown := set(studies) - set(STUDIES):
        parser.error(f"study {', '.join(unknown)} is unknown; give some of {','.join(STUDIES)}")
    if arguments.avx2:
        os.environ |= AVX2
    arguments.folder.mkdir(parents=True, exist_ok=True)
    frameworks = [name for name in arguments.frameworks.split(",") if name]
    pythons = {"minidnn": Path(sys.executable)} | {name: environment_for(name, arguments.folder) for name in frameworks}
    results = []
    for name in (name for name in studies if name != "processes"):
        results += run(name, pythons, arguments)
        (arguments.folder / "results.json").write_text(json.dumps(results, indent=2))
    if arguments.picture:
        from .picture import draw

        draw(arguments.folder / "results.json", arguments.picture)
    if "processes" in studies:
        print(f"\n{processes.table(pythons)}")
    return 0
