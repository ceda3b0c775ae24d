"""The rows of the table of kernels for models that no longer learn."""

from __future__ import annotations

import numpy as np

from kit.checks import Bits, Bound
from kit.rows import Kernel, normal
from minidnn.reference.inference import densify, widen

SIZES = ((0, 3, 4), (1, 1, 1), (1, 7, 5), (1, 300, 70), (3, 100, 33), (16, 33, 17), (5, 785, 130), (70, 300, 65))
"""(batch, n_in, n_out): single inputs, few and many have kernels of their own."""


def columns(w):
    """starts, rows and values of the nonzeros, column after column."""
    there = w.T != 0
    starts = np.concatenate([[0], there.sum(axis=1).cumsum()]).astype(np.uint32)
    return starts, np.nonzero(there)[1].astype(np.uint16), w.T[there]


def halves(w):
    """float32 cut to bfloat16."""
    return (w.view(np.uint32) >> 16).astype(np.uint16)


def thinned(rng, w, density=0.15):
    return np.where(rng.random(w.shape) < density, w, 0).astype(w.dtype)


def packed(change=None):
    def make(rng, size):
        batch, n_in, n_out = size
        x, w = np.maximum(normal(rng, batch, n_in), 0), normal(rng, n_in, n_out)
        return (x, w if change is None else change(w)), {}

    return make


def sparse(change=None):
    def make(rng, size):
        batch, n_in, n_out = size
        starts, rows, values = columns(thinned(rng, normal(rng, n_in, n_out)))
        values = values if change is None else change(values)
        return (normal(rng, batch, n_in), starts, rows, values), {}

    return make


def of_bytes(is_sparse):
    def make(rng, size):
        batch, n_in, n_out = size
        w = rng.integers(-127, 128, (n_in, n_out)).astype(np.int8)
        w = thinned(rng, w) if is_sparse else w
        corrections = rng.integers(-10000, 10000, n_out).astype(np.int32)
        scales = rng.random(n_out).astype(np.float32)
        weights = columns(w) if is_sparse else (w,)
        return (normal(rng, batch, n_in), *weights, 20.0, 100, corrections, scales), {}

    return make


def packed_bound(x, w, y):
    return Bound((x.shape[1] + 2) * (np.abs(x) @ np.abs(widen(w))))


def sparse_bound(x, starts, rows, values, y):
    return packed_bound(x, densify(x.shape[1], starts, rows, widen(values)), y)


def finite(values):
    """What a compiled model computes with: products with zeros are left out, which is exact for finite numbers."""
    return np.where(np.isfinite(values), values, np.float32(1))


INFERENCE = [
    Kernel("packed_matmul", packed(), [packed_bound], SIZES, domain={1: finite}, variant="float32"),
    Kernel("packed_matmul", packed(halves), [packed_bound], SIZES, variant="bfloat16"),
    Kernel("byte_matmul", of_bytes(False), [Bits()], SIZES),
    Kernel("sparse_matmul", sparse(), [sparse_bound], SIZES, domain={0: finite, 3: finite}, variant="float32"),
    Kernel("sparse_matmul", sparse(halves), [sparse_bound], SIZES, domain={0: finite}, variant="bfloat16"),
    Kernel("sparse_byte_matmul", of_bytes(True), [Bits()], SIZES),
]
