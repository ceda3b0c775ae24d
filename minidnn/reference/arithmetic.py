"""Arithmetic and means. Sums, differences and products broadcast; the compiled kernels need equal shapes."""

from __future__ import annotations

import numpy as np

from minidnn.reference.types import Array, Changed, Floats, Operand


def add(a: Operand, b: Operand) -> Array:
    """``y = a + b``."""
    return np.asarray(np.add(a, b))


def subtract(a: Operand, b: Operand) -> Array:
    """``y = a - b``."""
    return np.asarray(np.subtract(a, b))


def multiply(a: Operand, b: Operand) -> Array:
    """``y = a * b``."""
    return np.asarray(np.multiply(a, b))


def mean(x: Floats) -> Floats:
    """The mean of all elements, summed in float64; an array without axes."""
    if not x.size:
        raise ValueError(f"mean: x has shape {x.shape}, it must not be empty")
    return np.asarray(x.sum(dtype=np.float64) / x.size, dtype=x.dtype)


def mean_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy / n`` everywhere, in the shape of x."""
    return np.full_like(x, dy.reshape(()) / x.dtype.type(x.size))


def scale_rows(x: Floats, factors: Floats) -> Floats:
    """``y[i][j] = x[i][j] * factors[i]``."""
    if x.ndim != 2 or factors.shape != x.shape[:1]:
        raise ValueError(f"scale_rows: x has shape {x.shape}, factors has {factors.shape}")
    return np.asarray(x * factors[:, np.newaxis])


def moving_average(running: Changed, value: Floats, *, momentum: float) -> None:
    """``running = momentum * running + (1 - momentum) * value``."""
    x = running.dtype.type
    running[...] = x(momentum) * running + x(1 - momentum) * value


def check_finite(x: Floats) -> None:
    """Raises a FloatingPointError if an element is NaN or infinite."""
    if not np.isfinite(x).all():
        raise FloatingPointError(f"check_finite: found {x[~np.isfinite(x)][0]}")
