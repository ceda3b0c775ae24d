"""One framework in a process of its own; answers lines of JSON on standard input with lines on standard output.

{"check": i}             builds workload i anew, takes 5 steps; the answer is a file of the parameters
{"time": i, "seconds": s} microseconds a step of workload i, over at least s seconds
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from .workloads import WORKLOADS


def builder(name: str, threads: int):
    if name.startswith("minidnn"):
        from .minidnn_steps import build

        return partial(build, captured=name == "minidnn")
    if name.startswith("torch"):
        import torch

        from .torch_steps import build

        torch.set_num_threads(threads)
        return partial(build, compiled=name == "torch compile")
    if name == "jax":
        from .jax_steps import build

        return build
    if name.startswith("tensorflow"):
        import tensorflow as tf

        from .tensorflow_steps import build

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        return partial(build, xla=name == "tensorflow xla")
    raise ValueError(f"no framework is called {name!r}")


def answer(request: dict, build, steps: dict) -> object:
    if "check" in request:
        place = request["check"]
        step, read = steps[place] = build(WORKLOADS[place])
        for _ in range(5):
            step()
        handle, path = tempfile.mkstemp(suffix=".npz")
        os.close(handle)
        np.savez(path, *[np.asarray(array) for array in read()])
        return path
    step, _ = steps[request["time"]]
    repeats, start = 0, time.perf_counter()
    while time.perf_counter() - start < request["seconds"] or repeats < 3:
        step()
        repeats += 1
    return (time.perf_counter() - start) / repeats * 1e6


def serve(answer: Callable[[dict], object]) -> None:
    """Answers every line of standard input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what frameworks print must not mix with the answers
    for line in sys.stdin:
        try:
            result = {"result": answer(json.loads(line))}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(result), file=answers, flush=True)


def main() -> None:
    build, steps = None, {}

    def reply(request: dict) -> object:
        nonlocal build
        build = build or builder(sys.argv[1], int(sys.argv[2]))
        return answer(request, build, steps)

    serve(reply)


if __name__ == "__main__":
    main()
