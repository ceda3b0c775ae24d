"""Exercises on layers and losses: sums over rows and columns, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.learn.exercise import Answer, Exercise, Functions
from minidnn.learn.mistakes import mistaken

KEY = (2024, 0, 7)


def layer_exercises() -> Iterator[Exercise]:
    """Dropout, max-norm, softmax cross-entropy, batch normalization, and the backward pass of a dense layer."""
    yield _exercise(
        "dropout",
        3,
        "Dropout in its inverted form (Srivastava et al. 2014): y = x / (1 - rate) for kept elements, else 0.\n\n"
        "bits are uniform 32-bit words (uint32), one per element. An element is kept if its word is at least\n"
        "rate * 2**32, rounded. The scale is 1 / (1 - rate), rounded once to float32.",
        '''def dropout(x, bits, rate):
    """Returns x / (1 - rate) for kept elements, else 0."""
    kept = bits >= np.uint32(round(rate * 2**32))
    return np.where(kept, x * x.dtype.type(1 / (1 - rate)), x.dtype.type(0))''',
        "Compute the scale in Python, then multiply: x / (1 - rate) is rounded differently from x * (1 / (1 - rate)).",
        _dropout,
        {"dropout": lambda x, bits, rate: kernels.dropout(x, rate, *KEY)},
    )
    yield _exercise(
        "max_norm",
        4,
        "Max-norm: after each update the incoming weights of a unit, a column of w, are scaled to the limit\n"
        "if their l2 norm exceeds it:\n\n    w = w * limit / max(norm, limit)",
        '''def max_norm(w, limit):
    """Returns the weights; no column has a norm above the limit."""
    norm = np.sqrt((w * w).sum(axis=0, keepdims=True))
    return w * (w.dtype.type(limit) / np.maximum(norm, limit))''',
        "axis=0, keepdims=True sums down the columns and keeps a row that broadcasts over w.",
        _max_norm,
        {"max_norm": _max_norm_of_a_copy},
    )
    yield _exercise(
        "softmax_cross_entropy",
        4,
        "The loss of each row and its gradient (not divided by the batch):\n\n"
        "    loss    = log(sum(exp(x))) - x[label]\n    dlogits = softmax(x) - onehot(label)\n\n"
        "x are logits (rows, classes), float32, some of them in the hundreds: nothing may overflow.",
        '''def softmax_cross_entropy(x, labels):
    """Returns losses (rows,) and dlogits (rows, classes)."""
    shifted = x - x.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    sums = exps.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    losses = -(shifted - np.log(sums))[rows, labels]
    dlogits = exps / sums
    dlogits[rows, labels] -= 1
    return losses, dlogits''',
        "Subtract each row's maximum first: it changes neither the loss nor the softmax, and exp cannot overflow.",
        _softmax_cross_entropy,
        {"softmax_cross_entropy": kernels.softmax_cross_entropy},
    )
    yield _exercise(
        "batch_norm",
        5,
        "Batch normalization (Ioffe & Szegedy 2015) of x (rows, columns), and its gradients:\n\n"
        "    y      = gamma * (x - mean) / sqrt(var + eps) + beta     mean and var over the rows, var divided by n\n"
        "    normal = (x - mean) / sqrt(var + eps)\n"
        "    dx     = gamma / sqrt(var + eps) * (dy - mean(dy) - normal * mean(dy * normal))\n"
        "    dgamma = sum(dy * normal)\n    dbeta  = sum(dy)",
        '''def batch_norm(x, gamma, beta, eps):
    """Returns y."""
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


def batch_norm_backward(dy, x, gamma, eps):
    """Returns dx, dgamma and dbeta."""
    deviation = np.sqrt(x.var(axis=0) + eps)
    normal = (x - x.mean(axis=0)) / deviation
    dx = gamma / deviation * (dy - dy.mean(axis=0) - normal * (dy * normal).mean(axis=0))
    return dx, (dy * normal).sum(axis=0), dy.sum(axis=0)''',
        "Mean and variance also depend on x; hence the two terms that are subtracted from dy.",
        _batch_norm,
        {
            "batch_norm": lambda x, gamma, beta, eps: kernels.batch_norm(x, gamma, beta, eps)[0],
            "batch_norm_backward": _batch_norm_backward,
        },
    )
    yield _exercise(
        "dense_backward",
        5,
        "The backward pass of y = relu(x @ w + b), with x (batch, n_in), w (n_in, n_out) and y the output:\n\n"
        "    dz = dy where y > 0, else 0\n    dx = dz @ w.T\n    dw = x.T @ dz\n    db = sum of dz over the batch",
        '''def dense_backward(dy, x, w, y):
    """Returns dx, dw and db."""
    dz = np.where(y > 0, dy, 0)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)''',
        "The shapes help: dw has the shape of w, so it can only be x.T @ dz.",
        _dense_backward,
        {"dense_backward": lambda dy, x, w, y: kernels.dense_backward(dy, x, w, y, "relu", 0.0, True, True)},
    )


def _exercise(
    name: str,
    level: int,
    task: str,
    solution: str,
    hint: str,
    answers: Callable[[Functions], Iterator[Answer]],
    truth: Functions,
) -> Exercise:
    return Exercise(name, level, task, solution, hint, answers, truth, mistaken(solution), sums=name != "dropout")


def _normal(rng: np.random.Generator, *shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def _dropout(functions: Functions) -> Iterator[Answer]:
    for n, rate in ((5, 0.5), (130, 0.3), (1000, 0.1)):
        x = _normal(np.random.default_rng(n), n)
        yield f"dropout, {n} elements, rate {rate}: y", functions["dropout"](x, kernels.random_bits(n, *KEY), rate)


def _max_norm(functions: Functions) -> Iterator[Answer]:
    for shape in ((1, 1), (7, 5), (40, 33)):
        w = _normal(np.random.default_rng(shape[0]), *shape)
        limit = float(np.median(np.sqrt((w * w).sum(axis=0)))) * 1.01
        yield f"max_norm, shape {shape}: w", functions["max_norm"](w.copy(), limit)


def _max_norm_of_a_copy(w: Any, limit: float) -> Any:
    w = w.copy()
    kernels.max_norm(w, limit, 0)
    return w


def _softmax_cross_entropy(functions: Functions) -> Iterator[Answer]:
    for rows, classes, size in ((1, 2, 1), (6, 10, 3), (9, 17, 200)):
        rng = np.random.default_rng(rows)
        x, labels = size * _normal(rng, rows, classes), rng.integers(0, classes, rows)
        with np.errstate(all="ignore"):
            losses, dlogits = _many(functions["softmax_cross_entropy"](x, labels), 2)
        yield f"softmax_cross_entropy, {rows} rows, logits of size {size}: losses", losses
        yield f"softmax_cross_entropy, {rows} rows, logits of size {size}: dlogits", dlogits


def _batch_norm(functions: Functions) -> Iterator[Answer]:
    for rows, columns, eps in ((2, 1, 1e-3), (30, 5, 1e-3), (64, 17, 0.1)):
        rng = np.random.default_rng(rows)
        x, dy = 2 + _normal(rng, rows, columns), _normal(rng, rows, columns)
        gamma, beta = 1 + _normal(rng, columns), _normal(rng, columns)
        where = f"{rows} rows, eps {eps}"
        yield f"batch_norm, {where}: y", functions["batch_norm"](x, gamma, beta, eps)
        results = _many(functions["batch_norm_backward"](dy, x, gamma, eps), 3)
        yield from (
            (f"batch_norm_backward, {where}: {name}", result)
            for name, result in zip(("dx", "dgamma", "dbeta"), results, strict=True)
        )


def _batch_norm_backward(dy: Any, x: Any, gamma: Any, eps: float) -> Any:
    _, mean, var = kernels.batch_norm(x, gamma, gamma, eps)
    return kernels.batch_norm_backward(dy, x, gamma, mean, var, eps)


def _dense_backward(functions: Functions) -> Iterator[Answer]:
    for batch, n_in, n_out in ((1, 1, 1), (4, 3, 5), (20, 33, 17)):
        rng = np.random.default_rng(batch)
        x, w, dy = _normal(rng, batch, n_in), _normal(rng, n_in, n_out), _normal(rng, batch, n_out)
        y = np.maximum(x @ w, 0)
        results = _many(functions["dense_backward"](dy, x, w, y), 3)
        for name, result in zip(("dx", "dw", "db"), results, strict=True):
            yield f"dense_backward, x {x.shape}, w {w.shape}: {name}", result


def _many(results: Any, count: int) -> tuple[Any, ...]:
    """The results, checked to be a tuple of this length; None for each if there is no result."""
    if results is None:
        return (None,) * count
    if not isinstance(results, tuple) or len(results) != count:
        raise ValueError(f"the function must return a tuple of {count} arrays")
    return results
