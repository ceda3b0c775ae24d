"""What a node of a `Graph` may compute from several values: functions whose settings a file can hold.

Each is the ONNX operator of its name.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class add:
    """y = x_1 + x_2 + ..., with NumPy's broadcasting."""

    def __call__(self, *xs: Tensor) -> Tensor:
        return reduce(operator.add, xs)


@dataclass(frozen=True)
class multiply:
    """y = x_1 * x_2 * ..., with NumPy's broadcasting."""

    def __call__(self, *xs: Tensor) -> Tensor:
        return reduce(operator.mul, xs)


@dataclass(frozen=True)
class matmul:
    """y = a @ b, with NumPy's rules for vectors and for stacks of matrices."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.matmul(a, b)


@dataclass(frozen=True)
class gemm:
    """y = alpha * a @ b + beta * c, with a and b transposed first where asked for; without c the product alone."""

    alpha: float = 1.0
    beta: float = 1.0
    transpose_a: bool = False
    transpose_b: bool = False

    def __call__(self, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        y = ops.matmul(ops.transpose(a) if self.transpose_a else a, ops.transpose(b) if self.transpose_b else b)
        if self.alpha != 1.0:
            y = y * self.alpha
        return y if c is None else y + (c if self.beta == 1.0 else c * self.beta)


@dataclass(frozen=True)
class clip:
    """``min(max(x, low), high)``; None is no bound."""

    low: float | None = None
    high: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return x if self.low is None and self.high is None else ops.clip(x, self.low, self.high)


@dataclass(frozen=True)
class concatenate:
    """y = the values one behind the other along an axis."""

    axis: int = -1

    def __call__(self, *xs: Tensor) -> Tensor:
        return ops.concatenate(xs, self.axis)


@dataclass(frozen=True)
class reshape:
    """y = x in another shape; a 0 keeps the axis of that place, or is 0 if allow_zero; one -1 is what is left."""

    shape: Sequence[int]
    allow_zero: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def __call__(self, x: Tensor) -> Tensor:
        keep = not self.allow_zero
        return ops.reshape(x, [x.shape[i] if n == 0 and keep else n for i, n in enumerate(self.shape)])


@dataclass(frozen=True)
class flatten:
    """y = x as a matrix: the axes before ``axis`` are its rows, the others its columns."""

    axis: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        return ops.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@dataclass(frozen=True)
class softmax:
    """y = exp(x) / sum(exp(x)) along an axis."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        order = _with_last(x.ndim, self.axis)
        return ops.transpose(ops.softmax(ops.transpose(x, order)), order)


@dataclass(frozen=True)
class log_softmax:
    """y = x - log(sum(exp(x))) along an axis."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        order = _with_last(x.ndim, self.axis)
        return ops.transpose(ops.log_softmax(ops.transpose(x, order)), order)


@dataclass(frozen=True)
class prelu:
    """y = x where x > 0, else alpha * x, with an alpha of any shape that broadcasts (He et al. 2015)."""

    def __call__(self, x: Tensor, alpha: Tensor) -> Tensor:
        return ops.relu(x) - alpha * ops.relu(-x)


@dataclass(frozen=True)
class batch_norm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta along axis 1, with statistics that are given (evaluation)."""

    eps: float = 1e-5

    def __call__(self, x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (x.ndim - 2)
        gamma, beta, mean, var = (ops.reshape(part, shape) for part in (gamma, beta, mean, var))
        return (x - mean) / ops.sqrt(var + self.eps) * gamma + beta


@dataclass(frozen=True)
class layer_norm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta over ``axis`` and all behind it (Ba et al. 2016)."""

    axis: int = -1
    eps: float = 1e-5

    def __call__(self, x: Tensor, gamma: Tensor, beta: Tensor | None = None) -> Tensor:
        axes = tuple(range(self.axis % x.ndim, x.ndim))
        centred = x - ops.mean(x, axes, keepdims=True)
        y = centred / ops.sqrt(ops.mean(centred * centred, axes, keepdims=True) + self.eps) * gamma
        return y if beta is None else y + beta


FUNCTIONS = (
    add,
    batch_norm,
    clip,
    concatenate,
    flatten,
    gemm,
    layer_norm,
    log_softmax,
    matmul,
    multiply,
    prelu,
    reshape,
    softmax,
)


def _with_last(ndim: int, axis: int) -> list[int]:
    """The order of axes that swaps one with the last; it is its own inverse."""
    order = list(range(ndim))
    order[axis], order[-1] = order[-1], order[axis]
    return order
