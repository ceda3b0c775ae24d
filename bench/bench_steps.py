"""Whole training steps (forward, backward, update), against the same steps written in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

import minidnn
from minidnn import nn, optim

from .harness import Bench


def parameters_of(sizes: list[int]) -> list[np.ndarray]:
    """Kernel, bias, kernel, bias, ...; the same in each call."""
    generator = minidnn.Generator(1)
    arrays = []
    for n_in, n_out in pairwise(sizes):
        arrays += [generator.normal((n_in, n_out), std=(2 / n_in) ** 0.5), np.zeros(n_out, np.float32)]
    return arrays


def ours(sizes: list[int], x, y, lr: float, momentum: float):
    layers = [
        nn.Dense(n_in, n_out, "relu" if i + 2 < len(sizes) else None) for i, (n_in, n_out) in enumerate(pairwise(sizes))
    ]
    model = nn.Sequential(*layers)
    for parameter, array in zip(model.parameters(), parameters_of(sizes), strict=True):
        parameter.data[...] = array
    optimizer = optim.SGD(model.parameters(), lr, momentum)

    def step():
        optimizer.zero_grad()
        nn.softmax_cross_entropy(model(x), y).backward()
        optimizer.step()

    return step, [parameter.data for parameter in model.parameters()]


def by_hand(sizes: list[int], x, y, lr: float, momentum: float):
    params = parameters_of(sizes)
    velocities = [np.zeros_like(p) for p in params]
    rows, depth = np.arange(len(x)), len(params) // 2

    def step():
        activations = [x]
        for i in range(depth):
            z = activations[-1] @ params[2 * i]
            z += params[2 * i + 1]
            activations.append(np.maximum(z, 0, out=z) if i + 1 < depth else z)
        z = activations.pop()
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        z[rows, y] -= 1
        dz = z
        dz /= np.float32(len(x))
        for i in reversed(range(depth)):
            a = activations[i]
            dw, db = a.T @ dz, dz.sum(axis=0)
            if i:
                dz = dz @ params[2 * i].T
                dz *= a > 0
            for p, v, g in ((params[2 * i], velocities[2 * i], dw), (params[2 * i + 1], velocities[2 * i + 1], db)):
                if momentum:
                    v *= np.float32(momentum)
                    v += g
                    p -= np.float32(lr) * v
                else:
                    p -= np.float32(lr) * g

    return step, params


def flops(sizes: Sequence[int], batch: int) -> int:
    """Those of the forward products, and twice as many backward; the inputs need no gradient."""
    weights = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    return 2 * batch * (3 * sum(weights) - weights[0])


def step(sizes: list[int], batch: int, lr: float, momentum: float) -> Bench:
    def setup():
        generator = minidnn.Generator(2)
        x, y = generator.uniform((batch, sizes[0])), np.arange(batch) % sizes[-1]
        mine, params = ours(sizes, x, y, lr, momentum)
        theirs, peers = by_hand(sizes, x, y, lr, momentum)

        def check():
            for _ in range(5):
                mine(), theirs()
            for a, b in zip(params, peers, strict=True):
                # Five steps with sums of up to sizes[0] terms whose magnitudes are below 1.
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=sizes[0] * 2.0**-23)

        return mine, theirs, check

    name = f"step {'-'.join(map(str, sizes))}, batch {batch}, {'momentum' if momentum else 'sgd'}"
    used = ("dense", "dense_backward", "softmax_cross_entropy", "momentum_step" if momentum else "sgd_step")
    return Bench(name, used, setup, flops=flops(sizes, batch), peer="NumPy by hand")


BENCHES = [
    step([784, 300, 50, 10], 50, 0.1, 0.9),
    step([784, 300, 50, 10], 200, 0.01, 0.0),
    step([784, 1024, 1024, 10], 256, 0.01, 0.9),
    step([64, 32, 10], 32, 0.1, 0.9),
]
