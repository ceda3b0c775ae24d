"""Nesterov's momentum is almost always faster than plain momentum: it uses the gradient slightly ahead.

Both minimize (x**2 + condition * y**2) / 2 from a random point, with momentum 0.9 and the rate 1 / condition. The
lesson counts the steps until the height stays below a millionth of the first one. Then both learn MNIST.

    python examples/chapter/nesterov.py             # or: minidnn reproduce nesterov
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from minidnn import Generator, Tensor, cli, optim
from minidnn.lessons.chapter.common import learn, network, over_seeds
from minidnn.study import Study

CONDITIONS = (1, 3, 10, 30, 100, 300)
METHODS = ("momentum", "Nesterov")


def steps(nesterov: bool, condition: float, seed: int) -> float:
    """The number of steps until the height stays below a millionth of the first one, at most 1,500."""
    curvature = np.array([1, condition], np.float32)
    w = Tensor(Generator(seed).normal(2), requires_grad=True)
    optimizer = optim.SGD([w], lr=1 / condition, momentum=0.9, nesterov=nesterov)
    heights = []
    for _ in range(1500):
        heights.append(float((curvature * w.numpy() ** 2).sum()))
        w.grad = curvature * w.numpy()
        optimizer.step()
    return float(np.flatnonzero(np.array(heights) > 1e-6 * heights[0])[-1] + 1)


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Iterator[Study]:
    """Descends and trains with each seed; ``quick`` for fewer updates."""
    seeds, at = list(seeds), (50, 100) if quick else (100, 300, 1000, 3000)

    def descend(method: str, seed: int) -> Sequence[float]:
        return [steps(method == "Nesterov", condition, seed) for condition in CONDITIONS]

    def train(method: str, seed: int) -> Sequence[float]:
        model = network(seed)
        rule = optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=method == "Nesterov")
        return learn(model, rule, at, seed)

    bowls = over_seeds(METHODS, seeds, descend, progress)
    title = "Momentum and Nesterov on bowls"
    yield Study("nesterov-bowls", title, "condition number", CONDITIONS, bowls, measure="steps to rest", log=True)
    runs = over_seeds(METHODS, seeds, train, progress)
    yield Study("nesterov", "Momentum and Nesterov on MNIST", "updates", at, runs)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "nesterov", *sys.argv[1:]]))
