"""An epoch of shuffled mini-batches, uint8 to float32."""

from __future__ import annotations

import numpy as np

import minidnn
from minidnn.data import ArrayDataset, batches

from .harness import Bench


def setup():
    dataset = ArrayDataset(np.random.default_rng(0).integers(0, 256, (55_000, 784), np.uint8), np.arange(55_000) % 10)
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
        assert ours() == peer() == 55_000

    return ours, peer, check


BENCHES = [Bench("batches, an epoch of 55,000 x 784", (), setup, bytes=55_000 * 784 * 5)]
