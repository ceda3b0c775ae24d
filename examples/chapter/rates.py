"""Four schedules of the learning rate: predetermined, performance, exponential, power; and a constant rate.

Senior et al. (2013) found performance and exponential scheduling best for speech, and preferred the exponential one,
which is simpler. The chapter repeats this. Here each schedule starts at the same rates.

    python examples/chapter/rates.py             # or: minidnn reproduce rates
"""

import sys
from collections.abc import Iterable, Sequence

from minidnn import cli, manual_seed, optim, schedules, training
from minidnn.lessons.chapter.common import BATCH, accuracy, mnist, network, over_seeds
from minidnn.schedules import Schedule
from minidnn.study import Study, uninterrupted

METHODS = ("constant", "predetermined", "performance", "exponential", "power", "1cycle")


def schedule(method: str, rate: float, steps: int) -> Schedule | float:
    """Falls from `rate` over `steps` steps; a constant for performance scheduling, whose callback lowers it."""
    if method == "predetermined":
        return schedules.piecewise_constant((steps // 2, 3 * steps // 4), (rate, rate / 10, rate / 100))
    if method == "exponential":
        return schedules.exponential(rate, 0.01, steps)
    if method == "power":
        return schedules.power(rate, steps / 20)
    return schedules.one_cycle(rate, steps) if method == "1cycle" else rate


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` with fewer digits, epochs and rates."""
    rates, epochs, count = ((0.03, 0.1), 2, 2000) if quick else ((0.01, 0.03, 0.1, 0.2), 8, 20_000)
    train, valid = mnist().train[:count], mnist().valid

    def one(method: str, seed: int) -> Sequence[float]:
        found = []
        for rate in rates:
            manual_seed(seed)
            model = network(seed, (100, 50), "relu")
            lr = schedule(method, rate, epochs * count // BATCH)
            optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
            callbacks = [training.ReduceOnPlateau(factor=0.2, patience=1)] if method == "performance" else []
            history = training.fit(
                model, train, valid=valid, optimizer=optimizer, epochs=epochs, batch_size=BATCH, callbacks=callbacks,
                progress=False,
            )  # fmt: skip
            uninterrupted(history)
            found.append(accuracy(model))
        return found

    runs = over_seeds(METHODS, seeds, one, progress)
    return Study("rates", f"Schedules, {epochs} epochs", "first rate", rates, runs, bottom=None if quick else 0.94)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "rates", *sys.argv[1:]]))
