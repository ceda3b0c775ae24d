"""Matrix products on the shapes of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TITLE, UNIT = "product, microseconds", 1e6
WORKERS = {
    "minidnn": ("minidnn", "numpy"),
    "torch": ("torch",),
    "jax": ("jax",),
    "tensorflow": ("tensorflow",),
}
DIGITS = 1
CHECK_AFTER = 1


@dataclass(frozen=True)
class Product:
    """C = A B, m x k times k x n; "t" for a factor stored as its transpose."""

    kind: str
    m: int
    k: int
    n: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.m}x{self.k}x{self.n}"

    @property
    def flops(self) -> int:
        return 2 * self.m * self.k * self.n

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """A and B as stored in memory."""
        rng = np.random.default_rng(1)
        a = (self.k, self.m) if self.kind[0] == "t" else (self.m, self.k)
        b = (self.n, self.k) if self.kind[1] == "t" else (self.k, self.n)
        return rng.standard_normal(a, dtype=np.float32), rng.standard_normal(b, dtype=np.float32)


CASES = [
    Product("nn", 50, 784, 300), Product("tn", 784, 50, 300), Product("nn", 50, 300, 50),
    Product("tn", 300, 50, 50), Product("nt", 50, 50, 300), Product("nn", 128, 128, 128),
    Product("nn", 200, 784, 300), Product("tn", 784, 200, 300), Product("nn", 256, 1024, 1024),
    Product("tn", 1024, 256, 1024), Product("nt", 256, 1024, 1024), Product("nn", 512, 512, 512),
    Product("nn", 1024, 1024, 1024), Product("nn", 2048, 1024, 1024), Product("tn", 1024, 2048, 1024),
    Product("nt", 2048, 1024, 1024), Product("nn", 1, 1024, 1024), Product("nn", 16, 1024, 1024),
]  # fmt: skip


def build(name: str, case: Product) -> tuple[Any, Any]:
    a, b = case.factors()
    ta, tb = case.kind[0] == "t", case.kind[1] == "t"
    views = (lambda a, b: (a.T if ta else a, b.T if tb else b)) if name != "tensorflow" else None
    if name in ("minidnn", "numpy"):
        from minidnn import kernels

        left, right = views(a, b)
        run = (lambda: kernels.matmul(left, right)) if name == "minidnn" else (lambda: left @ right)
    elif name == "torch":
        import torch

        left, right = views(torch.from_numpy(a), torch.from_numpy(b))
        run = lambda: left @ right  # noqa: E731
    elif name == "jax":
        import jax

        left, right = jax.numpy.asarray(a), jax.numpy.asarray(b)
        product = jax.jit(lambda a, b: jax.numpy.matmul(*views(a, b)))
        run = lambda: jax.block_until_ready(product(left, right))  # noqa: E731
    else:
        import tensorflow as tf

        left, right = tf.constant(a), tf.constant(b)
        run = lambda: tf.linalg.matmul(left, right, transpose_a=ta, transpose_b=tb)  # noqa: E731
    return run, lambda: [np.asarray(run())]


def disagreement(case: Product, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    worst = float(np.abs(mine[0] - theirs[0]).max())  # two float32 sums of k products of about 1
    return "" if worst < 1e-5 * case.k else f"an element is off by {worst:.2g}"
