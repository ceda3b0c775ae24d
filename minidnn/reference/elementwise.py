"""Elementwise operations without a compiled kernel: NumPy computes them, with its broadcasting.

An operand is an array or a Python number, which takes the dtype of the other operand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidnn.reference.types import Array, Changed, Operand


def divide(a: Operand, b: Operand) -> Array:
    """``y = a / b``."""
    return np.asarray(np.divide(a, b))


def divide_backward(dy: Array, y: Array, b: Operand) -> Array:
    """``db = -dy * y / b``, where ``y = a / b``."""
    return np.asarray(-dy * y / b)


def power(a: Operand, b: Operand) -> Array:
    """``y = a ** b``."""
    return np.asarray(np.power(a, b))


def power_backward(dy: Array, a: Operand, b: Operand) -> Array:
    """``da = dy * b * a ** (b - 1)``, and 0 where b is 0."""
    if isinstance(b, np.ndarray):
        one = b.dtype.type(1)
        slope = np.where(b == 0, b, b * np.power(a, np.where(b == 0, one, b) - one))
    else:
        slope = np.zeros_like(a) if b == 0 else b * np.power(a, b - 1)
    return np.asarray(dy * slope)


def power_exponent_backward(dy: Array, a: Operand, y: Array) -> Array:
    """``db = dy * y * log(a)``, where ``y = a ** b``, and 0 where a is 0 and y is finite; needs a >= 0."""
    flat = np.equal(a, 0) & np.isfinite(y)
    return np.asarray(np.where(flat, y.dtype.type(0), dy * y * np.log(np.where(flat, y.dtype.type(1), a))))


def negative(x: Array) -> Array:
    """``y = -x``."""
    return np.asarray(-x)


def exp(x: Array) -> Array:
    """``y = exp(x)``."""
    return np.asarray(np.exp(x))


def log(x: Array) -> Array:
    """``y = log(x)``."""
    return np.asarray(np.log(x))


def sqrt(x: Array) -> Array:
    """``y = sqrt(x)``."""
    return np.asarray(np.sqrt(x))


def sqrt_backward(dy: Array, y: Array) -> Array:
    """``dx = dy / (2 * y)``, where ``y = sqrt(x)``."""
    return np.asarray(dy / (2 * y))


def erf(x: Array) -> Array:
    """``y = 2 / sqrt(pi) * (the integral of exp(-t**2) from 0 to x)``, computed in float64 with math.erf."""
    exact = np.vectorize(math.erf, otypes=[np.float64])
    return np.asarray(exact(x.astype(np.float64)).astype(x.dtype))


def erf_backward(dy: Array, x: Array) -> Array:
    """``dx = dy * 2 / sqrt(pi) * exp(-x**2)``."""
    return np.asarray(dy * (x.dtype.type(2 / math.sqrt(math.pi)) * np.exp(-x * x)))


def absolute(x: Array) -> Array:
    """``y = |x|``."""
    return np.asarray(np.abs(x))


def sign(x: Array) -> Array:
    """``y = -1, 0 or 1``."""
    return np.asarray(np.sign(x))


def clipped(x: Array, low: float | None, high: float | None) -> Array:
    """``y = min(max(x, low), high)``; a bound of None does not clip. NaN stays NaN."""
    return np.asarray(np.clip(x, low, high))


def maximum(a: Operand, b: Operand) -> Array:
    """``y = max(a, b)``."""
    return np.asarray(np.maximum(a, b))


def minimum(a: Operand, b: Operand) -> Array:
    """``y = min(a, b)``."""
    return np.asarray(np.minimum(a, b))


def maximum_share(a: Operand, b: Operand, dtype: str) -> Array:
    """1 where a > b, 1/2 where they are equal, else 0: a's share of the gradient of ``max(a, b)``."""
    return np.asarray(np.greater(a, b) + np.equal(a, b) / 2, dtype=dtype)


def minimum_share(a: Operand, b: Operand, dtype: str) -> Array:
    """1 where a < b, 1/2 where they are equal, else 0: a's share of the gradient of ``min(a, b)``."""
    return np.asarray(np.less(a, b) + np.equal(a, b) / 2, dtype=dtype)


def where(condition: Array, a: Operand, b: Operand) -> Array:
    """``y = a`` where the condition is not 0, else b."""
    a, b = _of_one_dtype(a, b)
    return np.where(condition.astype(bool, copy=False), a, b)


def less(a: Operand, b: Operand) -> Array:
    """Whether ``a < b``."""
    return np.asarray(np.less(a, b))


def less_equal(a: Operand, b: Operand) -> Array:
    """Whether ``a <= b``."""
    return np.asarray(np.less_equal(a, b))


def greater(a: Operand, b: Operand) -> Array:
    """Whether ``a > b``."""
    return np.asarray(np.greater(a, b))


def greater_equal(a: Operand, b: Operand) -> Array:
    """Whether ``a >= b``."""
    return np.asarray(np.greater_equal(a, b))


def equal(a: Operand, b: Operand) -> Array:
    """Whether ``a == b``."""
    return np.asarray(np.equal(a, b))


def not_equal(a: Operand, b: Operand) -> Array:
    """Whether ``a != b``."""
    return np.asarray(np.not_equal(a, b))


def astype(x: Array, dtype: str) -> Array:
    """x as a contiguous array of the dtype; x itself if it is one already."""
    return np.ascontiguousarray(x, dtype=dtype).reshape(x.shape)


def copy(x: Array) -> Array:
    """A contiguous copy of x."""
    return np.array(x, order="C")


def assign(x: Changed, value: Array) -> None:
    """``x = value``, in place."""
    x[...] = value


def full_like(x: Array, value: float) -> Array:
    """An array of the shape and dtype of x, filled with the value."""
    return np.full(x.shape, value, x.dtype)


def entropy_terms(t: Array) -> Array:
    """``t * log(t)``, and 0 where t is 0."""
    return np.asarray(np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0))


def check_between(x: Array, low: float, high: float, message: str) -> None:
    """Raises a ValueError with the message if an element is not in [low, high]."""
    if x.size and not (x.min() >= low and x.max() <= high):
        raise ValueError(f"{message}, got {x.min()} to {x.max()}")


def check_binary(x: Array, message: str) -> None:
    """Raises a ValueError with the message if an element is neither 0 nor 1."""
    if not np.isin(x, (0, 1)).all():
        raise ValueError(f"{message}, got {x.min()} to {x.max()}")


def check_signs(x: Array, message: str) -> None:
    """Raises a ValueError with the message unless all elements are 0 or 1, or all are -1 or 1."""
    if not (np.isin(x, (0, 1)).all() or np.isin(x, (-1, 1)).all()):
        raise ValueError(f"{message}, got {x.min()} to {x.max()}")


def _of_one_dtype(a: Any, b: Any) -> tuple[Any, Any]:
    """Gives a Python number the dtype of the other operand, which `np.where` does not."""
    if isinstance(a, (int, float)) and not isinstance(b, (int, float)):
        a = np.asarray(a, b.dtype if b.dtype.kind == "f" else None)
    elif isinstance(b, (int, float)) and not isinstance(a, (int, float)):
        b = np.asarray(b, a.dtype if a.dtype.kind == "f" else None)
    return a, b
