"""Softmax and normalization along axes."""

from __future__ import annotations

from dataclasses import dataclass

from minidnn import ops
from minidnn.tensor import Tensor


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
class batch_norm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta along axis 1, with given statistics (evaluation)."""

    eps: float = 1e-5

    def __call__(self, x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (x.ndim - 2)
        gamma, beta, mean, var = (ops.reshape(part, shape) for part in (gamma, beta, mean, var))
        return (x - mean) / ops.sqrt(var + self.eps) * gamma + beta


@dataclass(frozen=True)
class layer_norm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta over ``axis`` and all later axes (Ba et al. 2016)."""

    axis: int = -1
    eps: float = 1e-5

    def __call__(self, x: Tensor, gamma: Tensor, beta: Tensor | None = None) -> Tensor:
        axes = tuple(range(self.axis % x.ndim, x.ndim))
        centred = x - ops.mean(x, axes, keepdims=True)
        y = centred / ops.sqrt(ops.mean(centred * centred, axes, keepdims=True) + self.eps) * gamma
        return y if beta is None else y + beta


def _with_last(ndim: int, axis: int) -> list[int]:
    """The order of axes that swaps one with the last; it is its own inverse."""
    order = list(range(ndim))
    order[axis], order[-1] = order[-1], order[axis]
    return order
