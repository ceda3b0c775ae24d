"""With a constant gradient, momentum's velocity converges to lr * g / (1 - beta): ten times the plain step for 0.9.

The lesson compares the velocity of `optim.SGD` after 50 / (1 - beta) steps with the formula.

    python examples/chapter/velocity.py             # or: minidnn reproduce velocity
"""

import sys
from collections.abc import Iterable, Sequence

import numpy as np

from minidnn import Generator, Tensor, cli, optim
from minidnn.lessons.chapter.common import over_seeds
from minidnn.study import Study

BETAS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
RATE = 0.01


def speed(beta: float, gradient: float) -> float:
    """The length of a step after the velocity has converged."""
    w = Tensor(np.zeros(1, np.float32), requires_grad=True)
    optimizer = optim.SGD([w], lr=RATE, momentum=beta)
    before = 0.0
    for _ in range(int(50 / (1 - beta))):
        w.data[...] = before = 0.0
        w.grad = np.array([gradient], np.float32)
        optimizer.step()
    return before - w.item()


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Measures with a random gradient for each seed."""

    def one(method: str, seed: int) -> Sequence[float]:
        gradient = float(Generator(seed).uniform(1, 0.5, 2.0)[0])
        formula = [RATE * gradient / (1 - beta) for beta in BETAS]
        found = formula if method.startswith("lr") else [speed(beta, gradient) for beta in BETAS]
        return [value / (RATE * gradient) for value in found]

    runs = over_seeds(["lr * g / (1 - beta)", "measured"], seeds, one, progress)
    x, title = [round(1 / (1 - beta)) for beta in BETAS], "Terminal velocity of momentum"
    return Study("velocity", title, "1 / (1 - beta)", x, runs, measure="in plain steps lr * g", log=True)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "velocity", *sys.argv[1:]]))
