"""Elementwise kernels, kernels on rows, embeddings and random numbers, against plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minidnn import kernels, reference
from minidnn.activations import ACTIVATIONS, Activation

from .harness import Bench

LARGE = 4_000_000
ROWS, COLUMNS = 4096, 1024

rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def close(ours: Sequence[np.ndarray], peer: Sequence[np.ndarray], tolerance: float = 1e-5) -> None:
    for a, b in zip(ours, peer, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(x, labels):
    p = softmax(x)
    rows = np.arange(len(x))
    losses = -np.log(p[rows, labels])
    p[rows, labels] -= 1
    return losses, p


def forward(row: Activation, n: int) -> Bench:
    options = row.settings()

    def setup():
        x = normal(n)
        ours, peer = (
            (lambda: getattr(kernels, row.name)(x, *options)),
            lambda: getattr(reference, row.name)(x, *options),
        )
        return ours, peer, lambda: close([ours()], [peer()])

    return Bench(f"{row.name} {n:,}", (row.name,), setup, bytes=8 * n)


def backward(row: Activation, n: int) -> Bench:
    options = row.settings()
    name = f"{row.name}_backward"

    def setup():
        dy, x = normal(n), normal(n)
        argument = x if row.reads == "x" else getattr(kernels, row.name)(x, *options)
        ours = lambda: getattr(kernels, name)(dy, argument, *options)  # noqa: E731
        peer = lambda: getattr(reference, name)(dy, argument, *options)  # noqa: E731
        return ours, peer, lambda: close([ours()], [peer()])

    return Bench(f"{name} {n:,}", (name,), setup, bytes=12 * n)


def compared(name: str, make, peer, *, bytes: float, tolerance: float = 1e-5) -> Bench:
    """A kernel against its formula, on the same arguments."""
    kernel = name.split()[0]

    def setup():
        arguments = make()
        ours, theirs = (lambda: getattr(kernels, kernel)(*arguments)), (lambda: peer(*arguments))

        def check():
            a, b = ours(), theirs()
            close(a if isinstance(a, tuple) else [a], b if isinstance(b, tuple) else [b], tolerance)

        return ours, theirs, check

    return Bench(name, (kernel,), setup, bytes=bytes)


def prelu_backward(dy, x, alpha, need_dalpha):
    return np.where(x > 0, dy, alpha * dy), np.where(x > 0, 0, dy * x).sum(axis=0)


def softmax_backward(dy, y):
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax_backward(dy, y):
    return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


MATRIX = ROWS * COLUMNS * 4
SHAPE = f"{ROWS}x{COLUMNS}"

ROW_BENCHES = [
    compared(f"softmax {SHAPE}", lambda: (normal(ROWS, COLUMNS),), softmax, bytes=2 * MATRIX),
    compared(
        f"softmax_backward {SHAPE}",
        lambda: (normal(ROWS, COLUMNS), softmax(normal(ROWS, COLUMNS))),
        softmax_backward,
        bytes=3 * MATRIX,
    ),
    compared(f"log_softmax {SHAPE}", lambda: (normal(ROWS, COLUMNS),), log_softmax, bytes=2 * MATRIX),
    compared(
        f"log_softmax_backward {SHAPE}",
        lambda: (normal(ROWS, COLUMNS), log_softmax(normal(ROWS, COLUMNS))),
        log_softmax_backward,
        bytes=3 * MATRIX,
        tolerance=1e-4,
    ),
    compared(
        f"softmax_cross_entropy {SHAPE}",
        lambda: (normal(ROWS, COLUMNS), rng.integers(0, COLUMNS, ROWS)),
        cross_entropy,
        bytes=2 * MATRIX,
    ),
    compared(
        f"row_sum {SHAPE}", lambda: (normal(ROWS, COLUMNS),), lambda x: x.sum(axis=1), bytes=MATRIX, tolerance=1e-3
    ),
    compared(
        f"column_sum {SHAPE}", lambda: (normal(ROWS, COLUMNS),), lambda x: x.sum(axis=0), bytes=MATRIX, tolerance=1e-3
    ),
    compared(
        f"prelu {SHAPE}",
        lambda: (normal(ROWS, COLUMNS), np.abs(normal(COLUMNS))),
        lambda x, a: np.where(x > 0, x, a * x),
        bytes=2 * MATRIX,
    ),
    compared(
        f"prelu_backward {SHAPE}",
        lambda: (normal(ROWS, COLUMNS), normal(ROWS, COLUMNS), np.abs(normal(COLUMNS)), True),
        prelu_backward,
        bytes=3 * MATRIX,
        tolerance=1e-3,
    ),
]


ENTRIES, VOCABULARY = 32, 10_000
BAGS = rng.integers(0, VOCABULARY, (ROWS, ENTRIES))


def embedding_bag_backward(dy, indices, offsets, padding, mean, rows):
    dw = np.zeros((rows, dy.shape[1]), np.float32)
    np.add.at(dw, indices.ravel(), np.repeat(dy / np.float32(ENTRIES), ENTRIES, axis=0))
    return dw


EMBEDDING_BENCHES = [
    compared(
        f"embedding_bag {ROWS}x{ENTRIES} of {VOCABULARY}x64",
        lambda: (normal(VOCABULARY, 64), BAGS, None, -1, True),
        lambda weight, indices, *_: weight[indices].mean(axis=1),
        bytes=4 * 64 * ROWS * (ENTRIES + 1),
    ),
    compared(
        f"embedding_bag_backward {ROWS}x{ENTRIES} of {VOCABULARY}x64",
        lambda: (normal(ROWS, 64), BAGS, None, -1, True, VOCABULARY),
        embedding_bag_backward,
        bytes=4 * 64 * (2 * ROWS * ENTRIES + VOCABULARY),
    ),
]


def random_bench(name: str, ours, peer, check, bytes: float) -> Bench:
    """Random numbers differ from NumPy's, so the check looks at means and deviations."""

    def setup():
        x = np.ones(LARGE, np.float32)
        generator = np.random.default_rng(1)
        return (lambda: ours(x)), (lambda: peer(x, generator)), lambda: check(ours(x))

    return Bench(f"{name} {LARGE:,}", (name,), setup, bytes=bytes)


def about(value: float, wanted: float) -> None:
    assert abs(value - wanted) < 0.01, f"{value}, must be about {wanted}"


KEY = (1, 2, 3)
RANDOM_BENCHES = [
    random_bench(
        "random_bits",
        lambda x: kernels.random_bits(LARGE, *KEY),
        lambda x, g: g.integers(0, 2**32, LARGE, np.uint32),
        lambda bits: about(bits.mean() / 2**32, 0.5),
        4 * LARGE,
    ),
    random_bench(
        "random_normal",
        lambda x: kernels.random_normal(LARGE, 0.0, 1.0, *KEY),
        lambda x, g: g.standard_normal(LARGE, np.float32),
        lambda y: (about(y.mean(), 0.0), about(y.std(), 1.0)),
        4 * LARGE,
    ),
    random_bench(
        "bernoulli",
        lambda x: kernels.bernoulli(0.3 * x, *KEY),
        lambda x, g: (g.random(LARGE, np.float32) < 0.3 * x).astype(np.float32),
        lambda y: about(y.mean(), 0.3),
        8 * LARGE,
    ),
    random_bench(
        "dropout",
        lambda x: kernels.dropout(x, 0.5, *KEY),
        lambda x, g: x * ((g.random(LARGE, np.float32) >= 0.5) * np.float32(2)),
        lambda y: about(y.mean(), 1.0),
        8 * LARGE,
    ),
    random_bench(
        "rrelu",
        lambda x: kernels.rrelu(-x, 0.1, 0.3, *KEY),
        lambda x, g: np.where(-x > 0, -x, g.uniform(0.1, 0.3, LARGE).astype(np.float32) * -x),
        lambda y: about(y.mean(), -0.2),
        8 * LARGE,
    ),
    random_bench(
        "rrelu_backward",
        lambda x: kernels.rrelu_backward(x, -x, 0.1, 0.3, *KEY),
        lambda x, g: np.where(-x > 0, x, g.uniform(0.1, 0.3, LARGE).astype(np.float32) * x),
        lambda dx: about(dx.mean(), 0.2),
        12 * LARGE,
    ),
]

BENCHES = [
    *(
        bench(row, LARGE if row.name != "gelu" else LARGE // 40)
        for row in ACTIVATIONS.values()
        for bench in (forward, backward)
    ),
    forward(ACTIVATIONS["relu"], 50 * 300),
    forward(ACTIVATIONS["elu"], 50 * 300),
    *ROW_BENCHES,
    *EMBEDDING_BENCHES,
    *RANDOM_BENCHES,
]
