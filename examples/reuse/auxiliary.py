"""Auxiliary tasks: train on a task with many labels, reuse the lower layers where labels are few.

1. *Same or different.* A network with two towers learns, from pairs of seven classes, whether two pictures show the
   same class. Its lower layers are then reused in a classifier of the other three classes, which have few labels. In
   the chapter the pictures are faces; here they are digits, and clothes if Fashion-MNIST can be loaded.
2. *Good or corrupted.* The sentences have no labels, but are easy to corrupt: a network learns to tell a sentence
   from one with a word replaced; its embeddings and hidden layer are then reused in a classifier of topics. The same
   with pictures in which two patches are swapped.
3. *Max-margin.* As 2, but the network gives a score, which must be higher for the good one by a margin.

Each classifier is compared with one of the same shape, trained in the same way from fresh weights.

    python examples/reuse/auxiliary.py --seeds 1
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from minidnn import Generator, cli, data, manual_seed, nn, optim, training
from minidnn.data import ArrayDataset, Splits
from minidnn.data.types import Augmentation
from minidnn.pretraining import auxiliary
from minidnn.pretraining.auxiliary import GoodBesideBad, GoodOrBad, SameOrDifferent
from minidnn.study import Study, uninterrupted
from minidnn.training.run import Loss

DIGITS, CLOTHES = (7, 8, 9), (0, 2, 6)  # to be classified with few labels; the other classes make pairs
LABELS = (1, 3, 10, 50)
HIDDEN = (300, 100, 50)
WORDS = 32

Make = Callable[[], nn.Sequential]


class Settings(NamedTuple):
    seeds: Sequence[int]
    quick: bool
    progress: bool
    rate: float  # the learning rate of Adam


def run(seeds: Sequence[int], quick: bool = False, progress: bool = True) -> Iterator[Study]:
    """The studies, one after the other."""
    pictures, texts = Settings(seeds, quick, progress, 0.001), Settings(seeds, quick, progress, 0.005)
    mnist = data.load_mnist()
    yield pairs("auxiliary-pairs", "Same or different digits, then 7, 8 and 9", mnist, DIGITS, pictures)
    if not quick:
        try:
            fashion = data.load_fashion_mnist(progress=progress)
        except (data.DownloadError, ImportError) as error:
            print(f"auxiliary-fashion: left out, {error}", flush=True)
        else:
            title = "Same or different clothes, then T-shirts, pullovers and shirts"
            yield pairs("auxiliary-fashion", title, fashion, CLOTHES, pictures)
    yield sentences(texts)
    yield patches(mnist, pictures)


def pairs(name: str, title: str, splits: Splits, classes: Sequence[int], settings: Settings) -> Study:
    """Pretrains on pairs of the other classes, then classifies these classes with few labels."""
    others = [label for label in range(10) if label not in classes]
    known, few, test = of(splits.train, others), of(splits.train, classes), of(splits.test, classes)

    def pretrain(head: nn.Module, loss: Loss) -> nn.Sequential:
        tower = image_tower()
        made = SameOrDifferent(known, 2_000 if settings.quick else 20_000)
        fit(auxiliary.TwoTower(tower, head), made, loss, 1 if settings.quick else 5, settings)
        return tower

    methods = {
        "contrastive": lambda: pretrain(auxiliary.Distance(), auxiliary.contrastive),
        "cross-entropy": lambda: pretrain(auxiliary.Difference(HIDDEN[-1]), nn.softmax_cross_entropy),
    }
    return compare(name, title, methods, 1, partial(image_classifier, len(classes)), few, test, settings)


def sentences(settings: Settings) -> Study:
    """Pretrains on sentences with a word replaced, then classifies their topics."""
    text = data.load_sentences()
    # Without "the", "a", "and": with them a network learns grammar, which does not help with topics.
    vocabulary = data.Vocabulary(text.words[:6000], max_share=0.1)
    numbers = vocabulary.encode(text.words)
    few, test = ArrayDataset(numbers[:6000], text.labels[:6000]), ArrayDataset(numbers[6000:], text.labels[6000:])

    def tower() -> nn.Sequential:
        return nn.Sequential(
            nn.EmbeddingBag(len(vocabulary), WORDS, padding=0, name="embeddings"),
            nn.Dense(WORDS, WORDS, "relu", "he_uniform", name="hidden1"),
        )

    def classifier() -> nn.Sequential:
        return nn.Sequential(*tower(), nn.Dense(WORDS, len(text.topics), name="outputs"))

    methods = corruptions(tower, WORDS, few.x, data.replace_words(few.x), settings)
    title = "Sentences with a word replaced, then their topics"
    return compare("auxiliary-sentences", title, methods, 2, classifier, few, test, settings)


def patches(mnist: Splits, settings: Settings) -> Study:
    """Pretrains on digits with two patches swapped, then classifies the digits."""
    unlabelled = mnist.train.x[: 1_000 if settings.quick else 10_000]
    methods = corruptions(image_tower, HIDDEN[-1], unlabelled, data.swap_patches((28, 28)), settings)
    title, classifier = "Digits with two patches swapped, then the digits", partial(image_classifier, 10)
    return compare("auxiliary-patches", title, methods, 1, classifier, mnist.train, mnist.test, settings)


def corruptions(make: Make, n: int, good: np.ndarray, how: Augmentation, settings: Settings) -> dict[str, Make]:
    """Both ways to learn from good instances and corrupted ones; n is the width of the tower's last layer."""
    epochs = 2 if settings.quick else 10

    def classify() -> nn.Sequential:
        tower = make()
        fit(nn.Sequential(*tower, nn.Dense(n, 2)), GoodOrBad(good, how), nn.softmax_cross_entropy, epochs, settings)
        return tower

    def rank() -> nn.Sequential:
        tower = make()
        model = auxiliary.TwoTower(nn.Sequential(*tower, nn.Dense(n, 1)), nn.Flatten())
        fit(model, GoodBesideBad(good, how), auxiliary.margin_ranking, epochs, settings)
        return tower

    return {"good or corrupted": classify, "max-margin": rank}


# Shared by the studies


def compare(
    name: str,
    title: str,
    methods: Mapping[str, Make],
    reused: int,
    classifier: Make,
    pool: ArrayDataset,
    test: ArrayDataset,
    settings: Settings,
) -> Study:
    """Compares classifiers from scratch with those whose `reused` lower layers come from a method's tower."""
    scratch = "from scratch"
    runs: dict[str, list[list[float]]] = {method: [] for method in (scratch, *methods)}
    for seed in settings.seeds:
        for method in runs:
            manual_seed(seed)
            lower = {} if method == scratch else methods[method]()[:reused].state_dict()
            accuracies = []
            for labels in LABELS:
                manual_seed(seed)  # the same fresh weights and orders for every method
                model = classifier()
                model.load_state_dict(lower, strict=False)
                fine_tune(model, choose(pool, labels, Generator(seed, stream=1)), settings)
                accuracies.append(training.evaluate(model, test).accuracy)
            runs[method].append(accuracies)
        gains = {method: f"{runs[method][-1][1] - runs[scratch][-1][1]:+.3f}" for method in methods}
        print(f"{name}, seed {seed}: gains with {LABELS[1]} labels per class {gains}", flush=True)
    notes = ["a quick run is much too short for a gain"] if settings.quick else []
    return Study(name, title, "labels per class", LABELS, runs, notes=notes)


def fit(
    model: nn.Module,
    made: SameOrDifferent | GoodOrBad | GoodBesideBad,
    loss: Loss,
    epochs: int,
    settings: Settings,
) -> None:
    """Trains on an auxiliary task, which is drawn anew in every epoch."""
    history = training.fit(
        model,
        made,
        loss=loss,
        optimizer=optim.Adam(model.parameters(), settings.rate),
        epochs=epochs,
        batch_size=100,
        augment=made.fresh,
        progress=settings.progress,
    )
    uninterrupted(history)


def fine_tune(model: nn.Module, train: ArrayDataset, settings: Settings) -> None:
    """About 300 steps, all layers free."""
    batch = min(len(train), 20)
    epochs = max(1, (30 if settings.quick else 300) * batch // len(train))
    optimizer = optim.Adam(model.parameters(), settings.rate)
    uninterrupted(training.fit(model, train, optimizer=optimizer, epochs=epochs, batch_size=batch, progress=False))


def image_tower() -> nn.Sequential:
    first, second, third = HIDDEN
    return nn.Sequential(
        nn.Dense(784, first, "relu", "he_uniform", name="hidden1"),
        nn.Dense(first, second, "relu", "he_uniform", name="hidden2"),
        nn.Dense(second, third, "relu", "he_uniform", name="hidden3"),
    )


def image_classifier(classes: int) -> nn.Sequential:
    return nn.Sequential(*image_tower(), nn.Dense(HIDDEN[-1], classes, name="outputs"))


def of(dataset: ArrayDataset, classes: Sequence[int]) -> ArrayDataset:
    """The examples of these classes (in rising order), which are then numbered from 0."""
    kept = np.isin(dataset.y, classes)
    return ArrayDataset(dataset.x[kept], np.searchsorted(classes, dataset.y[kept]))


def choose(pool: ArrayDataset, count: int, rng: Generator) -> ArrayDataset:
    """`count` random examples of each class."""
    order = rng.permutation(len(pool))
    chosen = np.concatenate([order[pool.y[order] == label][:count] for label in np.unique(pool.y)])
    return ArrayDataset(pool.x[chosen], pool.y[chosen])


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "auxiliary", *sys.argv[1:]]))
