"""Element by element, with NumPy's broadcasting; the gradients of a broadcast operand are summed back."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, plus, record

Operand = Tensor | Array | float


def unbroadcast(gradient: Array, x: Tensor) -> Array:
    """The gradient of x, from that of what x was broadcast to: summed over the axes that broadcasting added."""
    if gradient.shape != x.data.shape:
        added = gradient.ndim - x.data.ndim
        stretched = [i + added for i, n in enumerate(x.data.shape) if n == 1 and gradient.shape[i + added] != 1]
        gradient = gradient.sum(axis=(*range(added), *stretched), keepdims=True).reshape(x.data.shape)
    return gradient if gradient.dtype == x.data.dtype else gradient.astype(x.data.dtype)


def _operands(a: Operand, b: Operand) -> tuple[Tensor, Tensor]:
    # A Python number takes the dtype of its partner, as in NumPy.
    if isinstance(a, (int, float)) and isinstance(b, Tensor):
        a = np.asarray(a, dtype=b.dtype if b.dtype.kind == "f" else None)
    elif isinstance(b, (int, float)) and isinstance(a, Tensor):
        b = np.asarray(b, dtype=a.dtype if a.dtype.kind == "f" else None)
    return as_tensor(a), as_tensor(b)


def _minus(a: Array, b: Array) -> Array:
    return kernels.subtract(a, b) if kernels.uniform(a, b) else a - b


def _times(a: Array, b: Array) -> Array:
    return kernels.multiply(a, b) if kernels.uniform(a, b) else a * b


def add(a: Operand, b: Operand) -> Tensor:
    """y = a + b."""
    a, b = _operands(a, b)
    return record(plus(a.data, b.data), (a, b), lambda dy: (unbroadcast(dy, a), unbroadcast(dy, b)))


def subtract(a: Operand, b: Operand) -> Tensor:
    """y = a - b."""
    a, b = _operands(a, b)
    return record(
        _minus(a.data, b.data),
        (a, b),
        lambda dy: (unbroadcast(dy, a), unbroadcast(-dy, b) if b.requires_grad else None),
    )


def multiply(a: Operand, b: Operand) -> Tensor:
    """y = a * b."""
    a, b = _operands(a, b)
    x, z = a.data, b.data

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(_times(dy, z), a) if a.requires_grad else None,
            unbroadcast(_times(dy, x), b) if b.requires_grad else None,
        )

    return record(_times(x, z), (a, b), backward, reads=(a, b))


def divide(a: Operand, b: Operand) -> Tensor:
    """y = a / b."""
    a, b = _operands(a, b)
    z = b.data
    y = a.data / z

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(dy / z, a) if a.requires_grad else None,
            unbroadcast(-dy * y / z, b) if b.requires_grad else None,
        )

    return record(y, (a, b), backward, reads=(b,))


def power(a: Operand, b: Operand) -> Tensor:
    """y = a ** b; the gradient of b needs a > 0."""
    a, b = _operands(a, b)
    x, z = a.data, b.data
    y = x**z

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(dy * z * x ** (z - 1), a) if a.requires_grad else None,
            unbroadcast(dy * y * np.log(x), b) if b.requires_grad else None,
        )

    return record(y, (a, b), backward, reads=(a, b))


def negative(x: Tensor) -> Tensor:
    """y = -x."""
    x = as_tensor(x)
    return record(-x.data, (x,), lambda dy: (-dy,))


def exp(x: Tensor) -> Tensor:
    """y = exp(x)."""
    x = as_tensor(x)
    y = np.exp(x.data)
    return record(y, (x,), lambda dy: (dy * y,))


def log(x: Tensor) -> Tensor:
    """y = log(x)."""
    x = as_tensor(x)
    value = x.data
    return record(np.log(value), (x,), lambda dy: (dy / value,), reads=(x,))


def sqrt(x: Tensor) -> Tensor:
    """y = sqrt(x)."""
    x = as_tensor(x)
    y = np.sqrt(x.data)
    return record(y, (x,), lambda dy: (dy / (2 * y),))


def abs(x: Tensor) -> Tensor:
    """y = abs(x); the gradient at 0 is 0."""
    x = as_tensor(x)
    sign = np.sign(x.data)
    return record(np.abs(x.data), (x,), lambda dy: (dy * sign,))


def clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """y = x kept within [low, high]; no gradient flows where it was clipped.

    Raises:
        ValueError: both bounds missing, or low > high.
    """
    if low is None and high is None:
        raise ValueError("clip: give low, high or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"clip: low is {low}, must not exceed high, {high}")
    x = as_tensor(x)
    y = np.clip(x.data, low, high)
    inside = y == x.data
    return record(y, (x,), lambda dy: (dy * inside,))


def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """y = a where the condition holds, else b."""
    chosen = np.asarray(condition.data if isinstance(condition, Tensor) else condition, dtype=bool)
    a, b = _operands(a, b)
    y = np.where(chosen, a.data, b.data)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        zero = dy.dtype.type(0)
        return unbroadcast(np.where(chosen, dy, zero), a), unbroadcast(np.where(chosen, zero, dy), b)

    return record(y, (a, b), backward)


def maximum(a: Operand, b: Operand) -> Tensor:
    """y = max(a, b); where they are equal each gets half of the gradient."""
    a, b = _operands(a, b)
    y = np.maximum(a.data, b.data)
    share = _share(a.data, b.data, y.dtype)
    return record(y, (a, b), lambda dy: (unbroadcast(dy * share, a), unbroadcast(dy * (1 - share), b)))


def minimum(a: Operand, b: Operand) -> Tensor:
    """y = min(a, b); where they are equal each gets half of the gradient."""
    a, b = _operands(a, b)
    y = np.minimum(a.data, b.data)
    share = _share(b.data, a.data, y.dtype)
    return record(y, (a, b), lambda dy: (unbroadcast(dy * share, a), unbroadcast(dy * (1 - share), b)))


def _share(winner: Array, loser: Array, dtype: np.dtype[Any]) -> Array:
    """1 where winner > loser, 1/2 where they are equal, else 0."""
    return np.asarray(((winner > loser) + (winner >= loser).astype(dtype)) / 2, dtype=dtype)
