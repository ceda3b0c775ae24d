"""Transfer: the lower layers of a network trained on the digits 0 to 4 help to learn 5 to 9 from a few labels.

A network 784-300-300-100 is trained on all images of the digits 0 to 4. Its two lower layers are reused for the digits
5 to 9, with only a few labels each: frozen (on cached activations the results are the same, and faster), or thawed
gradually with lower rates for lower layers.

Features depend on the task they were learned for. Five classes need few: the lower layers lose what does not
distinguish these five, and a network that reuses them is worse than one from scratch ("frozen, plain base"). So the
base learns a harder task: each digit in four quarter turns, twenty classes, in distorted images. As the base is trained
on distorted images, there are also networks for 5 to 9 that are trained on them.

    python examples/reuse/transfer.py --seeds 5
"""

import sys
import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from minidnn import cli, data, manual_seed, nn, optim, reuse, training
from minidnn.data import ArrayDataset, augment
from minidnn.random import Generator
from minidnn.study import Study, uninterrupted

LABELS = (5, 10, 20, 50, 100)
DISTORTIONS = augment.Augment(
    [augment.rotate(12), augment.zoom(0.85, 1.15, stretch=True), augment.shift(2)], image_shape=(28, 28)
)
REUSED = 2


def network(classes: int) -> nn.Sequential:
    sizes = (784, 300, 300, 100)
    hidden = [nn.Dense(sizes[i - 1], sizes[i], "relu", "he_normal", name=f"hidden{i}") for i in range(1, len(sizes))]
    return nn.Sequential(*hidden, nn.Dense(100, classes, name="outputs"))


def five_digits(dataset: ArrayDataset, first: int) -> ArrayDataset:
    """The examples of five digits, with the labels 0 to 4."""
    chosen = np.flatnonzero((dataset.y >= first) & (dataset.y < first + 5))
    return ArrayDataset(dataset.x[chosen], dataset.y[chosen] - first)


def few(dataset: ArrayDataset, labels: int, seed: int) -> ArrayDataset:
    """`labels` random examples of each class."""
    order = Generator(seed).permutation(len(dataset))
    chosen = np.concatenate([order[dataset.y[order] == label][:labels] for label in range(5)])
    return ArrayDataset(dataset.x[chosen], dataset.y[chosen])


def turned(dataset: ArrayDataset) -> ArrayDataset:
    """Each image in four quarter turns; each turn of a digit is a separate class."""
    images = dataset.x.reshape(-1, 28, 28)
    turns = [np.rot90(images, k, axes=(1, 2)).reshape(len(dataset), -1) for k in range(4)]
    return ArrayDataset(np.concatenate(turns), np.concatenate([dataset.y + 5 * k for k in range(4)]))


def fit(
    model: nn.Sequential,
    train: ArrayDataset,
    epochs: int,
    optimizer: optim.Optimizer,
    distorted: bool = False,
    callbacks: Sequence[training.Callback] = (),
) -> None:
    """Trains for twice as many epochs on distorted images, which are never the same twice."""
    uninterrupted(
        training.fit(
            model,
            train,
            optimizer=optimizer,
            epochs=2 * epochs if distorted else epochs,
            batch_size=20,
            augment=DISTORTIONS if distorted else None,
            callbacks=callbacks,
            progress=False,
        )
    )


def base(train: ArrayDataset, epochs: int, plain: bool) -> nn.Sequential:
    """A network trained on the digits 0 to 4."""
    model = network(5 if plain else 20)
    uninterrupted(
        training.fit(
            model,
            train if plain else turned(train),
            optimizer=optim.Adam(model.parameters()),
            epochs=epochs,
            batch_size=50,
            augment=None if plain else DISTORTIONS,
            progress=False,
        )
    )
    return model


def with_reused(lower: nn.Sequential) -> nn.Sequential:
    """A network for the new digits: copies of the base's lower layers, and new upper layers."""
    return nn.Sequential(*reuse.copy_lower(lower, REUSED), *network(5)[REUSED:])


def from_scratch(train: ArrayDataset, epochs: int, distorted: bool = False) -> nn.Sequential:
    model = network(5)
    fit(model, train, epochs, optim.Adam(model.parameters(), 0.001), distorted)
    return model


def frozen(lower: nn.Sequential, train: ArrayDataset, epochs: int, distorted: bool = False) -> nn.Sequential:
    model = with_reused(lower)
    reuse.freeze(model.layers[:REUSED])
    fit(model, train, epochs, optim.Adam(model.parameters(), 0.003), distorted)
    return model


def frozen_cached(lower: nn.Sequential, train: ArrayDataset, epochs: int) -> nn.Sequential:
    model = with_reused(lower)
    reuse.freeze(model.layers[:REUSED])
    cached = reuse.cache_frozen(model, train)
    fit(cached.top, cached, epochs, optim.Adam(cached.top.parameters(), 0.003))
    return model


def thawed_gradually(lower: nn.Sequential, train: ArrayDataset, epochs: int) -> nn.Sequential:
    model = with_reused(lower)
    optimizer = optim.Adam(optim.by_depth(model, lr=0.003, factor=0.3), 0.003)
    fit(model, train, epochs, optimizer, callbacks=[reuse.GradualUnfreezing(epochs=max(1, epochs // 4), top=2)])
    return model


def milliseconds_per_step(lower: nn.Sequential, train: ArrayDataset) -> dict[str, float]:
    """Times of steps with batches of 50: all layers trained, the reused ones frozen, and on cached activations."""
    whole, partly = with_reused(lower), with_reused(lower)
    reuse.freeze(partly.layers[:REUSED])
    cached = reuse.cache_frozen(partly, train)
    return {
        "all layers trained, ms per step": _milliseconds(whole, train),
        f"{REUSED} of 4 layers frozen, ms per step": _milliseconds(partly, train),
        "frozen and cached, ms per step": _milliseconds(cached.top, cached),
    }


def _milliseconds(model: nn.Sequential, train: ArrayDataset, steps: int = 100, repeats: int = 7) -> float:
    """The shortest time of the captured step over the repeats."""
    optimizer = optim.Adam(model.parameters())
    x, y = next(data.batches(train, 50))

    def step(x: np.ndarray, y: np.ndarray) -> None:
        optimizer.zero_grad()
        nn.softmax_cross_entropy(model(x), y).backward()
        optimizer.step()

    captured = training.Captured(step, model=model)
    captured(x, y)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(steps):
            captured(x, y)
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / steps


def run(seeds: Sequence[int], quick: bool, progress: bool) -> Study:
    mnist = data.load_mnist()
    old, new, test = five_digits(mnist.train, 0), five_digits(mnist.train, 5), five_digits(mnist.test, 5)
    labels, epochs, base_epochs = (LABELS[:2], 10, 1) if quick else (LABELS, 40, 2)
    if quick:
        old = old[:5000]
    runs: dict[str, list[list[float]]] = {}
    times: dict[str, float] = {}
    differing = 0
    for seed in seeds:
        manual_seed(seed)
        lower, plain = base(old, base_epochs, plain=False), base(old, base_epochs + 1, plain=True)
        methods = {
            "from scratch": from_scratch,
            "frozen": partial(frozen, lower),
            "frozen, cached": partial(frozen_cached, lower),
            "thawed gradually": partial(thawed_gradually, lower),
            "frozen, plain base": partial(frozen, plain),
            "from scratch, distorted": partial(from_scratch, distorted=True),
            "frozen, distorted": partial(frozen, lower, distorted=True),
        }
        for name, method in methods.items():
            accuracies = []
            for n in labels:
                train = few(new, n, seed)
                manual_seed(seed)
                start = time.perf_counter()
                model = method(train, epochs)
                times[name] = times.get(name, 0.0) + time.perf_counter() - start
                accuracies.append(training.evaluate(model, test).accuracy)
            runs.setdefault(name, []).append(accuracies)
            if progress:
                print(f"seed {seed}, {name}: {' '.join(map('{:.4f}'.format, accuracies))}", file=sys.stderr)
        differing += runs["frozen"][-1] != runs["frozen, cached"][-1]
    measured = milliseconds_per_step(lower, few(new, labels[-1], 0))
    measured |= {f"{name}, seconds of training": times[name] for name in ("frozen", "frozen, cached")}
    same = "the same accuracies in every run" if not differing else f"different accuracies with {differing} seeds"
    return Study(
        name="transfer",
        title="Digits 5 to 9 on layers learned from 0 to 4",
        x_label="labels per class",
        x=labels,
        runs={name: accuracies for name, accuracies in runs.items() if name != "frozen, cached"},
        measured=measured,
        notes=[f"frozen on cached activations: {same}"],
    )


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "transfer", *sys.argv[1:]]))
