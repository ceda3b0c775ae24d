"""How much unfreezing reused layers gains depends on how much data there is.

A network learns the digits 0 to 4. Its hidden layers are reused for 5 to 9: all frozen, the upper one trained, or all
trained; a network from scratch is the baseline. The more data there is, the more layers may be trained.

    python examples/chapter/unfreezing.py             # or: minidnn reproduce unfreezing
"""

import sys
from collections.abc import Iterable, Sequence

import numpy as np

from minidnn import Generator, cli, optim, reuse
from minidnn.data import ArrayDataset
from minidnn.lessons.chapter.common import accuracy, learn, mnist, network, over_seeds
from minidnn.study import Study

FROZEN: dict[str, int | None] = {"all frozen": 3, "the uppermost free": 2, "all free": 0, "from scratch": None}
HIDDEN = (100, 100, 100)


def digits(part: ArrayDataset, low: int, count: int, seed: int) -> ArrayDataset:
    """`count` examples of the five digits from `low` on, labelled from 0."""
    labels = np.asarray(part.labels)
    places = Generator(seed, stream=5).permutation(len(labels))
    chosen = [i for i in places if low <= labels[i] < low + 5][:count]
    return ArrayDataset(part.x[chosen], labels[chosen] - low)


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` with fewer examples and updates."""
    counts, updates, before = ((50, 200), 100, 200) if quick else ((50, 200, 1000, 5000, 20_000), 1500, 3000)
    test = digits(mnist().test, 5, 10_000, 0)

    def one(method: str, seed: int) -> Sequence[float]:
        first = network(seed, HIDDEN)
        learn(first, optim.Adam(first.parameters(), 0.001), (before,), seed, digits(mnist().train, 0, 20_000, seed))
        found, frozen = [], FROZEN[method]
        for count in counts:
            model = network(seed + 100, HIDDEN)
            if frozen is not None:
                weights = {name: w for name, w in first.state_dict().items() if name.startswith("hidden")}
                model.load_state_dict(weights, strict=False)
                if frozen:
                    reuse.freeze(model.layers[:frozen])
            rule = optim.Adam(model.parameters(), 0.001)
            few = digits(mnist().train, 5, count, seed)
            found += learn(model, rule, (updates,), seed, few, lambda m: accuracy(m, test.images, test.labels))
        return found

    runs = over_seeds(FROZEN, seeds, one, progress)
    return Study("unfreezing", "Reused layers, frozen and free", "examples of the new digits", counts, runs)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "unfreezing", *sys.argv[1:]]))
