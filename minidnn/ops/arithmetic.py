"""Elementwise ops with NumPy's broadcasting; the gradient of a broadcast operand is summed over the added axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.checks import held_by_float
from minidnn.handle import as_array
from minidnn.recording import mode
from minidnn.reference.types import Array
from minidnn.tensor import Rule, Tensor, as_tensor, record

Operand = Tensor | Array | float


class Number(Tensor):
    """Represents a Python number among the parents of a result; holds its value while ops are traced."""

    __slots__ = ("number",)

    def __init__(self, number: float) -> None:
        super().__init__(np.zeros((), np.float32))
        self.number = number


_SOME_NUMBER = Number(0.0)


def unbroadcast(gradient: Array, x: Tensor) -> Array:
    """The gradient of x from the gradient of its broadcast: summed over the axes that broadcasting added."""
    if gradient.shape != x._data.shape:
        gradient = kernels.unbroadcast(gradient, x._data.shape)
    return gradient if gradient.dtype == x._data.dtype else kernels.astype(gradient, x._data.dtype.str)


def _operands(op: str, a: Operand, b: Operand) -> tuple[Tensor, Tensor, Any, Any]:
    """Returns both as parents, then both as kernel arguments. A Python number takes the other's dtype, as in NumPy."""
    if isinstance(a, (int, float, np.number)) and isinstance(b, Tensor):
        return _number(a), b, _plain(op, "a", a), b._data
    if isinstance(b, (int, float, np.number)) and isinstance(a, Tensor):
        return a, _number(b), a._data, _plain(op, "b", b)
    left, right = as_tensor(a), as_tensor(b)
    return left, right, left._data, right._data


def _number(value: Any) -> Number:
    return Number(value) if mode.tracing else _SOME_NUMBER


def _plain(op: str, argument: str, value: Any) -> Any:
    """Converts np.float64, a subclass of float, to float, which does not promote the other operand to float64."""
    return float(value) if isinstance(value, float) else held_by_float(op, argument, value)


def add(a: Operand, b: Operand) -> Tensor:
    """y = a + b."""
    a, b, x, z = _operands("add", a, b)
    return record(
        kernels.add(x, z),
        (a, b),
        lambda dy: (
            unbroadcast(dy, a) if a.requires_grad else None,
            unbroadcast(dy, b) if b.requires_grad else None,
        ),
        op="add",
    )


def subtract(a: Operand, b: Operand) -> Tensor:
    """y = a - b."""
    a, b, x, z = _operands("subtract", a, b)
    return record(
        kernels.subtract(x, z),
        (a, b),
        lambda dy: (
            unbroadcast(dy, a) if a.requires_grad else None,
            unbroadcast(kernels.negative(dy), b) if b.requires_grad else None,
        ),
        op="subtract",
    )


def multiply(a: Operand, b: Operand) -> Tensor:
    """y = a * b."""
    a, b, x, z = _operands("multiply", a, b)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(kernels.multiply(dy, z), a) if a.requires_grad else None,
            unbroadcast(kernels.multiply(dy, x), b) if b.requires_grad else None,
        )

    return record(kernels.multiply(x, z), (a, b), backward, reads=(a, b), op="multiply")


def divide(a: Operand, b: Operand) -> Tensor:
    """y = a / b."""
    a, b, x, z = _operands("divide", a, b)
    y = kernels.divide(x, z)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(kernels.divide(dy, z), a) if a.requires_grad else None,
            unbroadcast(kernels.divide_backward(dy, y, z), b) if b.requires_grad else None,
        )

    return record(y, (a, b), backward, reads=(b,), op="divide")


def power(a: Operand, b: Operand) -> Tensor:
    """y = a ** b. The gradient of a is 0 where b = 0; that of b is NaN where a < 0, and 0 where a = 0 and b >= 0."""
    a, b, x, z = _operands("power", a, b)
    y = kernels.power(x, z)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(kernels.power_backward(dy, x, z), a) if a.requires_grad else None,
            unbroadcast(kernels.power_exponent_backward(dy, x, y), b) if b.requires_grad else None,
        )

    return record(y, (a, b), backward, reads=(a, b), op="power")


_COMPARISONS = {
    "less": kernels.less,
    "less_equal": kernels.less_equal,
    "greater": kernels.greater,
    "greater_equal": kernels.greater_equal,
    "equal": kernels.equal,
    "not_equal": kernels.not_equal,
}


def compare(name: str, a: Tensor, b: Any) -> Tensor:
    """y = a < b for name "less", and so on for NumPy's other comparisons; bool, off the tape."""
    if not isinstance(as_array(b), (np.ndarray, int, float)):
        return Tensor(getattr(np, name)(a.data, b))
    a, b, x, z = _operands(name, a, b)
    return record(_COMPARISONS[name](x, z), (a, b), None, op=name)


def negative(x: Tensor) -> Tensor:
    """y = -x."""
    x = as_tensor(x)
    return record(kernels.negative(x._data), (x,), lambda dy: (kernels.negative(dy),), op="negative")


def erf(x: Tensor) -> Tensor:
    """y = erf(x), the error function; slow: computed one number at a time in Python."""
    x = as_tensor(x)
    value = x._data
    return record(kernels.erf(value), (x,), lambda dy: (kernels.erf_backward(dy, value),), reads=(x,), op="erf")


def exp(x: Tensor) -> Tensor:
    """y = exp(x)."""
    x = as_tensor(x)
    y = kernels.exp(x._data)
    return record(y, (x,), lambda dy: (kernels.multiply(dy, y),), op="exp")


def log(x: Tensor) -> Tensor:
    """y = log(x)."""
    x = as_tensor(x)
    value = x._data
    return record(kernels.log(value), (x,), lambda dy: (kernels.divide(dy, value),), reads=(x,), op="log")


def sqrt(x: Tensor) -> Tensor:
    """y = sqrt(x)."""
    x = as_tensor(x)
    y = kernels.sqrt(x._data)
    return record(y, (x,), lambda dy: (kernels.sqrt_backward(dy, y),), op="sqrt")


def abs(x: Tensor) -> Tensor:
    """y = abs(x); the gradient at 0 is 0."""
    x = as_tensor(x)
    sign = kernels.sign(x._data)
    return record(kernels.absolute(x._data), (x,), lambda dy: (kernels.multiply(dy, sign),), op="abs")


def clip(x: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """y = min(max(x, low), high); the gradient is 0 where x was clipped. A bound of None does not clip.

    Raises:
        ValueError: both bounds are None, low > high, or a bound is an integer beyond the range of float64.
    """
    if low is None and high is None:
        raise ValueError("clip: give low, high or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"clip: low is {low}, must not exceed high, {high}")
    low, high = _plain("clip", "low", low), _plain("clip", "high", high)
    x = as_tensor(x)
    y = kernels.clipped(x._data, low, high)
    inside = kernels.equal(y, x._data)
    return record(y, (x,), lambda dy: (kernels.where(inside, dy, 0.0),), op="clip", low=low, high=high)


def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """y = a where the condition is true, else b."""
    chosen = as_tensor(condition)
    a, b, x, z = _operands("where", a, b)
    holds = chosen._data

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            unbroadcast(kernels.where(holds, dy, 0.0), a) if a.requires_grad else None,
            unbroadcast(kernels.where(holds, 0.0, dy), b) if b.requires_grad else None,
            None,
        )

    return record(kernels.where(holds, x, z), (a, b, chosen), backward, op="where")


def maximum(a: Operand, b: Operand) -> Tensor:
    """y = max(a, b); where they are equal, each gets half of the gradient."""
    a, b, x, z = _operands("maximum", a, b)
    y = kernels.maximum(x, z)
    return record(y, (a, b), _shared(kernels.maximum_share, y, a, b, x, z), op="maximum")


def minimum(a: Operand, b: Operand) -> Tensor:
    """y = min(a, b); where they are equal, each gets half of the gradient."""
    a, b, x, z = _operands("minimum", a, b)
    y = kernels.minimum(x, z)
    return record(y, (a, b), _shared(kernels.minimum_share, y, a, b, x, z), op="minimum")


def _shared(share: Any, y: Array, a: Tensor, b: Tensor, x: Any, z: Any) -> Rule:
    """The backward rule of `maximum` and `minimum`."""
    to_a = share(x, z, y.dtype.str) if a.requires_grad else None
    to_b = share(z, x, y.dtype.str) if b.requires_grad else None
    return lambda dy: (
        None if to_a is None else unbroadcast(kernels.multiply(dy, to_a), a),
        None if to_b is None else unbroadcast(kernels.multiply(dy, to_b), b),
    )
