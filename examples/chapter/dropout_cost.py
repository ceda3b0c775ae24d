"""Exercise 7: does dropout slow training down? And inference?

A step takes little longer, but the same accuracy needs more steps; at inference dropout does nothing.

    python examples/chapter/dropout_cost.py             # or: minidnn reproduce dropout_cost
"""

import sys
import time
from collections.abc import Iterable, Sequence
from statistics import median

from minidnn import cli, deploy, optim
from minidnn.lessons.chapter.common import learn, mnist, network, over_seeds
from minidnn.study import Study

METHODS = {"no dropout": 0.0, "dropout 0.2": 0.2, "dropout 0.5": 0.5}
GOAL = 0.95


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` for fewer updates."""
    at = (50, 100) if quick else (100, 200, 400, 800, 1600, 3200, 6400, 12_800)
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    answers: dict[str, float] = {}

    def one(method: str, seed: int) -> Sequence[float]:
        model = network(seed, (300, 100), dropout=METHODS[method])
        optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        start = time.perf_counter()
        learn(model, optimizer, (200,), seed, probe=lambda model: 0.0)
        seconds[method].append(time.perf_counter() - start)
        compiled, x, times = deploy.compile(model.eval(), sparse=False), mnist().test.images[:1000], []
        model.train()
        for _ in range(20):
            start = time.perf_counter()
            compiled.predict(x)
            times.append(time.perf_counter() - start)
        answers[method] = min([*times, answers.get(method, 1.0)])
        model = network(seed, (300, 100), dropout=METHODS[method])
        return learn(model, optim.SGD(model.parameters(), lr=0.02, momentum=0.9), at, seed)

    runs = over_seeds(METHODS, seeds, one, progress)
    plain = "no dropout"
    measured = {f"time of a step, relative to no dropout: {m}": min(seconds[m]) / min(seconds[plain]) for m in METHODS}
    measured |= {f"time of inference, relative to no dropout: {m}": answers[m] / answers[plain] for m in METHODS}
    for method, found in runs.items():
        reached = [next((u for u, a in zip(at, run_, strict=True) if a >= GOAL), at[-1]) for run_ in found]
        measured[f"updates to {GOAL:.0%} (of those measured): {method}"] = median(reached)
    return Study("dropout_cost", "What dropout costs", "updates", at, runs, measured, bottom=None if quick else 0.85)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "dropout_cost", *sys.argv[1:]]))
