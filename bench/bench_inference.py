"""Products of compiled models, for single inputs and batches, against NumPy's dense product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidnn import deploy, kernels, nn
from minidnn.deploy.weights import to_bfloat16, to_int8

from .harness import Bench

N = 1024
rng = np.random.default_rng(0)


def weights(density: float) -> np.ndarray:
    w = (rng.standard_normal((N, N)) / N**0.5).astype(np.float32)
    w[rng.random(w.shape) >= density] = 0
    return w


def product(name: str, density: float, make: Callable[[np.ndarray], tuple[Any, ...]], tolerance: float) -> Bench:
    """A kernel, which packs its weights in each call, against NumPy's product with the unpacked weights."""
    kernel, batch = name.split()[0], 256

    def setup():
        x, w = rng.random((batch, N), dtype=np.float32), weights(density)
        arguments = make(w)
        ours, peer = (lambda: getattr(kernels, kernel)(x, *arguments)), (lambda: x @ w)
        return ours, peer, lambda: np.testing.assert_allclose(ours(), peer(), atol=tolerance)

    return Bench(f"{name} {batch}x{N}x{N}", (kernel,), setup, flops=2 * batch * N * N * density)


def sparse(w: np.ndarray) -> tuple[Any, ...]:
    nonzero = w.T != 0
    starts = np.concatenate([[0], nonzero.sum(axis=1).cumsum()]).astype(np.uint32)
    return starts, np.nonzero(nonzero)[1].astype(np.uint16), w.T[nonzero]


def in_bytes(store: Callable[[np.ndarray], tuple[Any, ...]]) -> Callable[[np.ndarray], tuple[Any, ...]]:
    """Inputs in [0, 1) quantized to 0 to 255, weights to int8."""

    def make(w: np.ndarray) -> tuple[Any, ...]:
        q, scales = to_int8(w)
        return *store(q), 255.0, 0, np.zeros(N, np.int32), scales / np.float32(255)

    return make


def predict(batch: int, density: float) -> Bench:
    """A compiled dense layer with ReLU against NumPy."""

    def setup():
        layer = nn.Dense(N, N, "relu")
        layer.kernel.data[...] = w = weights(density)
        compiled = deploy.compile(layer, batch_size=batch)
        x = rng.random((batch, N), dtype=np.float32)
        ours, peer = (lambda: compiled.predict(x)), (lambda: np.maximum(x @ w + layer.bias.data, 0))
        return ours, peer, lambda: np.testing.assert_allclose(ours(), peer(), atol=1e-4)

    return Bench(f"predict {batch}x{N}x{N}, {1 - density:.0%} zeros", (), setup, flops=2 * batch * N * N * density)


BENCHES = [
    *(predict(batch, density) for density in (1.0, 0.1, 0.05) for batch in (1, 16, 256)),
    product("packed_matmul", 1.0, lambda w: (w,), 1e-4),
    product("packed_matmul bfloat16", 1.0, lambda w: (to_bfloat16(w),), 0.05),
    product("byte_matmul", 1.0, in_bytes(lambda q: (q,)), 0.05),
    product("sparse_matmul 95% zeros", 0.05, sparse, 1e-4),
    product("sparse_byte_matmul 95% zeros", 0.05, in_bytes(sparse), 0.05),
]
