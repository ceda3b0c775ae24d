"""Matrix products and dense layers, on the shapes that training uses."""

from __future__ import annotations

import numpy as np

from minidnn import kernels

from .bench_kernels import close, normal
from .harness import Bench

SHAPES = [
    (50, 784, 300), (50, 300, 50), (50, 50, 10), (200, 784, 300), (128, 128, 128), (256, 784, 1024),
    (256, 1024, 1024), (512, 512, 512), (1024, 1024, 1024), (2048, 1024, 1024),
]  # fmt: skip
"""(m, k, n)."""


def product(kind: str, m: int, k: int, n: int) -> Bench:
    def setup():
        a = normal(k, m).T if kind[0] == "t" else normal(m, k)
        b = normal(n, k).T if kind[1] == "t" else normal(k, n)
        ours, peer = (lambda: kernels.matmul(a, b)), (lambda: a @ b)
        return ours, peer, lambda: close([ours()], [peer()], 1e-3)

    return Bench(f"matmul {kind} {m}x{k}x{n}", ("matmul",), setup, flops=2 * m * k * n)


def dense(batch: int, n_in: int, n_out: int) -> Bench:
    def setup():
        x, w, b = normal(batch, n_in), normal(n_in, n_out), normal(n_out)
        ours = lambda: kernels.dense(x, w, b, "relu", 0.0)  # noqa: E731
        peer = lambda: np.maximum(x @ w + b, 0)  # noqa: E731
        return ours, peer, lambda: close([ours()], [peer()], 1e-3)

    return Bench(f"dense relu {batch}x{n_in}x{n_out}", ("dense",), setup, flops=2 * batch * n_in * n_out)


def dense_backward(batch: int, n_in: int, n_out: int) -> Bench:
    def setup():
        dy, x, w = normal(batch, n_out), normal(batch, n_in), normal(n_in, n_out)
        y = np.maximum(normal(batch, n_out), 0)

        def peer():
            dz = dy * (y > 0)
            return dz @ w.T, x.T @ dz, dz.sum(axis=0)

        ours = lambda: kernels.dense_backward(dy, x, w, y, "relu", 0.0, True, True)  # noqa: E731
        return ours, peer, lambda: close(ours(), peer(), 1e-3)

    return Bench(
        f"dense_backward relu {batch}x{n_in}x{n_out}", ("dense_backward",), setup, flops=4 * batch * n_in * n_out
    )


BENCHES = [
    *(product("nn", *shape) for shape in SHAPES),
    *(product("tn", k, m, n) for m, k, n in SHAPES[:4]),  # dw = x.T @ dy
    *(product("nt", m, n, k) for m, k, n in SHAPES[:4]),  # dx = dy @ w.T
    *(dense(*shape) for shape in SHAPES[:3]),
    *(dense_backward(*shape) for shape in SHAPES[:3]),
]
