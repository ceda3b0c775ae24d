"""``python -m bench neighbour``: training, inference and a product on a machine with other load.

Each study runs in a separate process, alone and beside others: a busy process pinned to one core, the same and one that
is busy half of the time, a second process of the same study, and with more threads than cores. The median, the mean and
the 99th percentile show how the scheduler delays threads that wait for each other.

    python -m bench neighbour
    python -m bench neighbour --peers ../peers/bin/python    # an interpreter that has torch and jax
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

SIZES = (784, 300, 50, 10)
BUSY = "import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
HALF = """
import os, time
os.sched_setaffinity(0, {{{core}}})
while True:
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end: pass
    time.sleep(0.01)
"""


def minidnn_study(study: str, threads: int) -> Callable[[], object]:
    import minidnn
    from minidnn import data, deploy, kernels, nn, optim, training

    minidnn.set_num_threads(threads)
    rng = np.random.default_rng(0)
    if study == "product":
        a = rng.random((1024, 1024), dtype=np.float32)
        return lambda: kernels.matmul(a, a)
    x, y = rng.random((50, 784), dtype=np.float32), rng.integers(0, 10, 50)
    layers = [nn.Dense(a, b, "relu" if b != 10 else None) for a, b in pairwise(SIZES)]
    model = nn.Sequential(*layers)
    if study == "inference":
        compiled = deploy.compile(model)
        return lambda: compiled.predict(x)
    optimizer = optim.SGD(model.parameters(), 0.01, momentum=0.9)
    if study == "epoch":
        train = data.load_mnist().train[:10_000]
        return lambda: training.fit(model, train, optimizer=optimizer, epochs=1, batch_size=50, progress=False)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    captured = training.capture(step, x, y)
    return lambda: captured(x, y)


def torch_study(study: str, threads: int) -> Callable[[], object] | None:
    import torch

    torch.set_num_threads(threads)
    if study == "product":
        a = torch.rand(1024, 1024)
        return lambda: a @ a
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(SIZES):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    x, y = torch.rand(50, 784), torch.randint(0, 10, (50,))
    if study == "inference":

        def predict() -> object:
            with torch.inference_mode():
                return model(x)

        return predict
    if study != "step":
        return None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def jax_study(study: str, threads: int) -> Callable[[], object] | None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # before XLA counts the cores
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    if study == "product":
        a = jnp.asarray(rng.random((1024, 1024), dtype=np.float32))
        multiply = jax.jit(lambda a: a @ a)
        return lambda: jax.block_until_ready(multiply(a))
    shapes = list(pairwise(SIZES))
    weights = [(jnp.asarray(rng.normal(0, 0.05, s).astype(np.float32)), jnp.zeros(s[1])) for s in shapes]
    x, y = jnp.asarray(rng.random((50, 784), dtype=np.float32)), jnp.asarray(rng.integers(0, 10, 50))

    def outputs(weights, x):
        for kernel, bias in weights[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        return x @ weights[-1][0] + weights[-1][1]

    if study == "inference":
        predict = jax.jit(outputs)
        return lambda: jax.block_until_ready(predict(weights, x))
    if study != "step":
        return None

    def loss(weights):
        return -jnp.take_along_axis(jax.nn.log_softmax(outputs(weights, x)), y[:, None], 1).mean()

    @jax.jit
    def step(weights, velocity):
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, jax.grad(loss)(weights))
        return jax.tree.map(lambda w, v: w - 0.01 * v, weights, velocity), velocity

    state = [weights, jax.tree.map(jnp.zeros_like, weights)]

    def run() -> None:
        state[:] = step(*state)
        jax.block_until_ready(state)

    return run


BUILD = {"minidnn": minidnn_study, "torch": torch_study, "jax": jax_study}
STUDIES = ("step", "inference", "product", "epoch")


def measure(framework: str, study: str, threads: int, seconds: float) -> dict[str, float] | None:
    """Microseconds of a call, measured in this process."""
    run = BUILD[framework](study, threads)
    if run is None:
        return None
    for _ in range(3 if study == "epoch" else 50):
        run()
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 5:
        before = time.perf_counter()
        run()
        times.append(1e6 * (time.perf_counter() - before))
    median, high = np.percentile(times, [50, 99])
    return {"median": float(median), "mean": float(np.mean(times)), "p99": float(high)}


def start(python: str, *request: object) -> subprocess.Popen[str]:
    command = [python, "-m", "bench.neighbour", "--here", *map(str, request)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def busy(*programs: str) -> Iterator[None]:
    core = max(os.sched_getaffinity(0))
    others = [subprocess.Popen([sys.executable, "-c", program.format(core=core)]) for program in programs]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


CONDITIONS: dict[str, tuple[tuple[str, ...], int, tuple[int, ...]]] = {
    "alone": ((), 1, (1, 2)),
    "one core busy": ((BUSY,), 1, (1, 2)),
    "one core busy, and half busy": ((BUSY, HALF), 1, (1, 2)),
    "two processes": ((), 2, (2,)),
    "8 threads": ((), 1, (8,)),
}


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench neighbour", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="an interpreter that has torch and jax, in which bench can be imported")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--here", nargs=4, metavar=("FRAMEWORK", "STUDY", "THREADS", "SECONDS"))
    arguments = parser.parse_args(words)
    if arguments.here:
        framework, study, threads, seconds = arguments.here
        print(json.dumps(measure(framework, study, int(threads), float(seconds))))
        return 0
    pythons = {"minidnn": sys.executable}
    if arguments.peers:
        pythons |= {"torch": arguments.peers, "jax": arguments.peers}
    print("| microseconds | condition | threads | framework | median | mean | p99 |\n|---|---|---|---|---|---|---|")
    for study in arguments.studies:
        for condition, (others, processes, counts) in CONDITIONS.items():
            for threads in counts:
                for framework, python in pythons.items():
                    with busy(*others):
                        request = framework, study, threads, arguments.seconds
                        started = [start(python, *request) for _ in range(processes)]
                        answers = [json.loads(process.communicate()[0]) for process in started]
                    if answers[0] is not None:
                        row = [f"{np.mean([answer[key] for answer in answers]):,.0f}" for key in answers[0]]
                        cells = " | ".join([study, condition, str(threads), framework, *row])
                        print(f"| {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
