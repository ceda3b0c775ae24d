"""Training steps of one framework in its own process: lines of JSON in, lines of JSON out.

{"study": name, "check": i}              builds case i and runs its first calls; the answer is a file of arrays
{"study": name, "time": i, "seconds": s} seconds of a call of case i, over at least s seconds
{"memory": true}                         the peak memory of the process in megabytes
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def limit_threads(name: str, threads: int) -> None:
    """Sets the number of threads of frameworks that do not read it from the environment."""
    if name.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    if name.startswith(("tensorflow", "keras")):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def seconds_a_call(run: Callable[[], object], seconds: float) -> float:
    """The mean time of the calls in `seconds`, at least 3 calls."""
    repeats, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds or repeats < 3:
        run()
        repeats += 1
    return taken / repeats


def answer(name: str, request: dict[str, Any], built: dict[int, Any]) -> object:
    if "memory" in request:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    study = importlib.import_module(f"bench.peers.{request['study']}")
    if "check" in request:
        place = request["check"]
        built.clear()  # one case at a time: frees the memory of the previous one
        run, read = built[place] = study.build(name, study.CASES[place])
        for _ in range(study.CHECK_AFTER):
            run()
        handle, path = tempfile.mkstemp(suffix=".npz")
        os.close(handle)
        np.savez(path, *[np.asarray(array) for array in read()])
        return path
    run, _ = built[request["time"]]
    return seconds_a_call(run, request["seconds"])


def serve(answer: Callable[[dict], object]) -> None:
    """Answers every line of standard input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps the frameworks' output out of the answers
    for line in sys.stdin:
        try:
            result = {"result": answer(json.loads(line))}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(result), file=answers, flush=True)


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[2])
    built: dict[int, Any] = {}
    started = False

    def reply(request: dict) -> object:
        nonlocal started
        if not started:
            limit_threads(name, threads)
        started = True
        return answer(name, request, built)

    serve(reply)


if __name__ == "__main__":
    main()
