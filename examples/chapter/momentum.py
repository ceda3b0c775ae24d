"""Exercise 5: what happens if the momentum is too close to 1, such as 0.99999?

It moves fast past the minimum, up the other side, back, and so on: it oscillates long before it rests. A parameter
starts at a random point of a parabola with curvature 1. The lesson counts the steps until it stays within 1 % of that
distance from the minimum, and how often it passes the minimum.

    python examples/chapter/momentum.py             # or: minidnn reproduce momentum
"""

import sys
from collections.abc import Iterable, Sequence

import numpy as np

from minidnn import Generator, Tensor, cli, optim
from minidnn.lessons.chapter.common import over_seeds
from minidnn.study import Study

MOMENTA = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
RATE = 0.1


def path(momentum: float, start: float, steps: int) -> np.ndarray:
    """The parameter after each step; the gradient of x**2 / 2 is x."""
    x = Tensor(np.array([start], np.float32), requires_grad=True)
    optimizer, places = optim.SGD([x], lr=RATE, momentum=momentum), np.empty(steps)
    for i in range(steps):
        x.grad = x.numpy().copy()
        optimizer.step()
        places[i] = x.item()
    return places


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Counts with each seed; ``quick`` for at most 2,000 steps."""
    limit, passes = 2_000 if quick else 200_000, {}

    def one(method: str, seed: int) -> Sequence[float]:
        counts, start = [], float(Generator(seed).uniform(1, 0.5, 2.0)[0])
        for momentum in MOMENTA:
            places = path(momentum, start, min(limit, int(20 / (1 - momentum)) + 300))
            far = np.flatnonzero(np.abs(places) > 0.01 * start)
            counts.append(float(far[-1] + 2 if len(far) else 1))
            passes[f"passes over the minimum in 2,000 steps, momentum {momentum}"] = float(
                np.count_nonzero(np.diff(np.sign(places[:2000])))
            )
        return counts

    runs = over_seeds([f"rate {RATE}, curvature 1"], seeds, one, progress)
    notes = [f"a count above {limit:,} means that it was not yet at rest"]
    x = [round(1 / (1 - momentum)) for momentum in MOMENTA]
    axis = "1 / (1 - momentum)"
    return Study("momentum", "Momentum near 1", axis, x, runs, passes, notes, measure="steps to rest", log=True)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "momentum", *sys.argv[1:]]))
