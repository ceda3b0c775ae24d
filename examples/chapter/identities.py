"""Pairs as an auxiliary task gain clearly if they come from many classes: here every picture is a class.

In the chapter a network learns to distinguish people from a few pictures each of many faces. Ten digits are too few
classes for that (``minidnn reproduce auxiliary`` gains almost nothing). But a picture and its augmented versions are
one "person", and need no label: 10,000 pictures, 4 versions each; pairs of them are the same or different. The lowest
layer is then reused in a classifier that has a few labels of each digit.

The control is a classifier on augmented labelled digits: it also learns which changes keep the class.

    python examples/chapter/identities.py             # or: minidnn reproduce identities
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minidnn import Generator, cli, manual_seed, nn, optim, training
from minidnn.data import ArrayDataset, augment
from minidnn.lessons.chapter.common import mnist, over_seeds
from minidnn.lessons.reuse.auxiliary import LABELS, choose, image_classifier, image_tower
from minidnn.pretraining import auxiliary
from minidnn.study import Study, uninterrupted

METHODS = ("from scratch", "augmented labels", "pairs of identities", "pairs, then augmented labels")
CHANGES = augment.Augment(
    [augment.elastic(4.0, 4.0), augment.rotate(15), augment.shift(2), augment.zoom(0.85, 1.18), augment.shear(10)],
    (28, 28),
)


def identities(count: int, versions: int, seed: int) -> ArrayDataset:
    """`count` pictures in `versions` augmented versions each; each picture is a class."""
    chosen = np.repeat(Generator(seed, stream=7).permutation(len(mnist().train))[:count], versions)
    pictures = CHANGES(mnist().train.images[chosen], np.arange(len(chosen)), (seed, 7, 0))
    return ArrayDataset(pictures, np.repeat(np.arange(count), versions))


def fit(model: nn.Module, train: Any, epochs: int, batch: int, **options: Any) -> None:
    """Trains by Adam."""
    optimizer = optim.Adam(model.parameters(), 0.001)
    options |= {"epochs": epochs, "batch_size": batch, "progress": False}
    uninterrupted(training.fit(model, train, optimizer=optimizer, **options))


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` with fewer pictures, pairs, epochs and updates."""
    count, pairs, epochs, updates = (300, 1000, 1, 30) if quick else (10_000, 50_000, 10, 300)

    def one(method: str, seed: int) -> Sequence[float]:
        manual_seed(seed)
        lower: dict[str, Any] = {}
        if method.startswith("pairs"):
            tower, made = image_tower(), auxiliary.SameOrDifferent(identities(count, 4, seed), pairs)
            model = auxiliary.TwoTower(tower, auxiliary.Distance())
            fit(model, made, epochs, 100, loss=auxiliary.contrastive, augment=made.fresh)
            lower = tower[:1].state_dict()
        found = []
        for labels in LABELS:
            manual_seed(seed)
            classifier, few = image_classifier(10), choose(mnist().train, labels, Generator(seed, stream=1))
            classifier.load_state_dict(lower, strict=False)
            changed = {"augment": CHANGES} if "augmented" in method else {}
            fit(classifier, few, max(1, updates * 20 // len(few)) if len(few) > 20 else updates, 20, **changed)
            found.append(training.evaluate(classifier, mnist().test).accuracy)
        return found

    runs = over_seeds(METHODS, seeds, one, progress)
    return Study("identities", "Pairs of augmented pictures, then digits", "labels per class", LABELS, runs)


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "identities", *sys.argv[1:]]))
