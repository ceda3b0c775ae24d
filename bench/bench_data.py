"""An epoch of shuffled mini-batches: alone, and with training steps on them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

import minidnn
from minidnn import nn, optim
from minidnn.data import ArrayDataset, augment, batches
from minidnn.training import capture

from .harness import Bench

IMAGES = 55_000


def images(n: int = IMAGES) -> ArrayDataset:
    return ArrayDataset(np.random.default_rng(0).integers(0, 256, (n, 784), np.uint8), np.arange(n) % 10)


def gathering():
    dataset = images()
    generator, peer_generator = minidnn.Generator(1), np.random.default_rng(1)

    def ours():
        return sum(len(y) for _, y in batches(dataset, 50, generator))

    def peer():
        order, n = peer_generator.permutation(len(dataset)), 0
        for start in range(0, len(order), 50):
            part = order[start : start + 50]
            x = dataset.x[part].astype(np.float32)
            x /= np.float32(255)
            n += len(dataset.y[part])
        return n

    def check():
        assert ours() == peer() == IMAGES

    return ours, peer, check


def epoch(hidden: tuple[int, ...], change: augment.Augment | None, n: int):
    """Steps on batches made during the epoch, against the same steps on batches made before."""
    dataset = images(n)
    ready = list(batches(dataset, 50, minidnn.Generator(1), augment=change))
    sizes = (784, *hidden, 10)

    def trainer():
        generator = minidnn.Generator(2)
        inner = pairwise(sizes[:-1])
        layers = [nn.Dense(n_in, n_out, activation="relu", rng=generator) for n_in, n_out in inner]
        model = nn.Sequential(*layers, nn.Dense(sizes[-2], 10, rng=generator))
        optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.softmax_cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        captured = capture(step, *ready[0], model=model)

        def run(parts):
            for x, y in parts:
                captured(x, y)

        return model, run

    (model, run), (peer_model, peer_run) = trainer(), trainer()

    def ours():
        run(batches(dataset, 50, minidnn.Generator(1), augment=change))

    def peer():
        peer_run(ready)

    def check():
        ours()
        peer()
        for name, value in model.state_dict().items():
            assert np.array_equal(value, peer_model.state_dict()[name]), name

    return ours, peer, check


def epoch_bench(name: str, hidden: tuple[int, ...], change: augment.Augment | None = None, n: int = IMAGES) -> Bench:
    return Bench(
        f"epoch of {n:,}, {name}", (), lambda: epoch(hidden, change, n), bytes=n * 784 * 5, peer="its steps alone"
    )


AUGMENT = augment.Augment([augment.shift(2), augment.rotate(15), augment.zoom(0.9, 1.1)], (28, 28))

BENCHES = [
    Bench("batches, an epoch of 55,000 x 784", (), gathering, bytes=IMAGES * 784 * 5),
    epoch_bench("784-300-50-10", (300, 50)),
    epoch_bench("784-30-10", (30,)),
    epoch_bench("784-300-50-10, shift + rotate + zoom", (300, 50), AUGMENT, 5000),
]
