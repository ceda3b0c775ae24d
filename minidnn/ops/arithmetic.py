"""Element by element, with NumPy's broadcasting; the gradients of a broadcast operand are summed back."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.recording import mode, replayable
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, plus, record

Operand = Tensor | Array | float


def unbroadcast(gradient: Array, x: Tensor) -> Array:
    """The gradient of x, from that of what x was broadcast to: summed over the axes that broadcasting added."""
    shape, dtype = x.data.shape, x.data.dtype
    if gradient.shape != shape:
        added = gradient.ndim - len(shape)
        stretched = [i + added for i, n in enumerate(shape) if n == 1 and gradient.shape[i + added] != 1]
        axes = (*range(added), *stretched)
        gradient = replayable(lambda g: g.sum(axis=axes, keepdims=True).reshape(shape), gradient)
    return gradient if gradient.dtype == dtype else replayable(lambda g: g.astype(dtype), gradient)


def _operands(a: Operand, b: Operand) -> tuple[Tensor, Tensor]:
    # A Python number takes the dtype of its partner, as in NumPy.
    if isinstance(a, (int, float)) and isinstance(b, Tensor):
        a = _constant(a, b)
    elif isinstance(b, (int, float)) and isinstance(a, Tensor):
        b = _constant(b, a)
    return as_tensor(a), as_tensor(b)


def _constant(value: float, partner: Tensor) -> Array:
    dtype = partner.dtype if partner.dtype.kind == "f" else None
    if mode.cells is not None and mode.cells.constants:
        return replayable(lambda: np.asarray(value, dtype=dtype))
    return np.asarray(value, dtype=dtype)


def _minus(a: Array, b: Array) -> Array:
    return kernels.subtract(a, b) if kernels.uniform(a, b) else replayable(np.subtract, a, b)


def _times(a: Array, b: Array) -> Array:
    return kernels.multiply(a, b) if kernels.uniform(a, b) else replayable(np.multiply, a, b)


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
        lambda dy: (unbroadcast(dy, a), unbroadcast(replayable(np.negative, dy), b) if b.requires_grad else None),
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
    y = replayable(np.divide, a.data, z)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(replayable(np.divide, dy, z), a) if a.requires_grad else None,
            unbroadcast(replayable(lambda dy, y, z: -dy * y / z, dy, y, z), b) if b.requires_grad else None,
        )

    return record(y, (a, b), backward, reads=(b,))


def power(a: Operand, b: Operand) -> Tensor:
    """y = a ** b; the gradient of b needs a > 0."""
    a, b = _operands(a, b)
    x, z = a.data, b.data
    y = replayable(np.power, x, z)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(replayable(lambda dy, x, z: dy * z * x ** (z - 1), dy, x, z), a) if a.requires_grad else None,
            unbroadcast(replayable(lambda dy, x, y: dy * y * np.log(x), dy, x, y), b) if b.requires_grad else None,
        )

    return record(y, (a, b), backward, reads=(a, b))


def compare(holds: np.ufunc, a: Tensor, b: Any) -> Tensor:
    """y = whether a < b, or what else the ufunc compares; off the tape."""
    if not isinstance(b, (Tensor, np.ndarray, int, float)):
        return Tensor(holds(a.data, b))
    _, b = _operands(a, b)
    return Tensor(replayable(holds, a.data, b.data))


def negative(x: Tensor) -> Tensor:
    """y = -x."""
    x = as_tensor(x)
    return record(replayable(np.negative, x.data), (x,), lambda dy: (replayable(np.negative, dy),))


def exp(x: Tensor) -> Tensor:
    """y = exp(x)."""
    x = as_tensor(x)
    y = replayable(np.exp, x.data)
    return record(y, (x,), lambda dy: (_times(dy, y),))


def log(x: Tensor) -> Tensor:
    """y = log(x)."""
    x = as_tensor(x)
    value = x.data
    return record(replayable(np.log, value), (x,), lambda dy: (replayable(np.divide, dy, value),), reads=(x,))


def sqrt(x: Tensor) -> Tensor:
    """y = sqrt(x)."""
    x = as_tensor(x)
    y = replayable(np.sqrt, x.data)
    return record(y, (x,), lambda dy: (replayable(lambda dy, y: dy / (2 * y), dy, y),))


def abs(x: Tensor) -> Tensor:
    """y = abs(x); the gradient at 0 is 0."""
    x = as_tensor(x)
    sign = replayable(np.sign, x.data)
    return record(replayable(np.abs, x.data), (x,), lambda dy: (_times(dy, sign),))


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
    y = replayable(lambda value: np.clip(value, low, high), x.data)
    inside = replayable(np.equal, y, x.data)
    return record(y, (x,), lambda dy: (_times(dy, inside),))


def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """y = a where the condition holds, else b."""
    given = np.asarray(condition.data if isinstance(condition, Tensor) else condition)
    chosen = replayable(lambda c: c.astype(bool, copy=False), given)
    a, b = _operands(a, b)
    y = replayable(np.where, chosen, a.data, b.data)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        zero = dy.dtype.type(0)
        return (
            unbroadcast(replayable(lambda c, dy: np.where(c, dy, zero), chosen, dy), a),
            unbroadcast(replayable(lambda c, dy: np.where(c, zero, dy), chosen, dy), b),
        )

    return record(y, (a, b), backward)


def maximum(a: Operand, b: Operand) -> Tensor:
    """y = max(a, b); where they are equal each gets half of the gradient."""
    a, b = _operands(a, b)
    return _either(replayable(np.maximum, a.data, b.data), a, b, np.greater, "maximum")


def minimum(a: Operand, b: Operand) -> Tensor:
    """y = min(a, b); where they are equal each gets half of the gradient."""
    a, b = _operands(a, b)
    return _either(replayable(np.minimum, a.data, b.data), a, b, np.less, "minimum")


def _either(y: Array, a: Tensor, b: Tensor, wins: np.ufunc, op: str) -> Tensor:
    """Each operand gets the gradient where it wins, and half of it where they are equal."""
    dtype = y.dtype

    def share(u: Array, v: Array) -> Array:
        return np.asarray((wins(u, v) + (u == v) / 2), dtype=dtype)

    to_a, to_b = replayable(share, a.data, b.data), replayable(share, b.data, a.data)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return unbroadcast(_times(dy, to_a), a), unbroadcast(_times(dy, to_b), b)

    backward.__qualname__ = op
    return record(y, (a, b), backward)
