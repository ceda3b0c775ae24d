"""Layers made only of ops, so that export, compilation and gradients follow from the ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn import kernels, ops
from minidnn.checks import number, positive_integer
from minidnn.nn.initializers import initialize
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor, as_result


class RMSNorm(Module):
    """y = gamma * x / sqrt(mean of x**2 + eps) along the last axis (Zhang & Sennrich 2019).

    Args:
        n: the size of x's last axis.
        eps: >= 0, added to the mean.

    Raises:
        ValueError: an argument is out of range; on call, the size of the last axis is not n.
    """

    def __init__(self, n: int, eps: float = 1e-6, name: str | None = None) -> None:
        self.name = name
        self.n = positive_integer(self.label, "n", n)
        self.eps = number(self.label, "eps", eps)
        self.gamma = Parameter(initialize(self.label, "gamma", "ones", (self.n,), default_generator()))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1:] != (self.n,):
            raise ValueError(f"{self.label}: x has shape {x.shape}, its last axis must be {self.n}")
        return self.gamma * (x / ops.sqrt(ops.mean(x * x, axis=-1, keepdims=True) + self.eps))


class GroupNorm(Module):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta, with mean and var of each group of a row (Wu & He 2018).

    Args:
        groups: the number of groups of adjacent columns.
        n: x is (batch, n), n a multiple of groups.
        eps: >= 0, added to the variance.

    Raises:
        ValueError: an argument is out of range; on call, x is not (batch, n).
    """

    def __init__(self, groups: int, n: int, eps: float = 1e-5, name: str | None = None) -> None:
        self.name = name
        self.groups = positive_integer(self.label, "groups", groups)
        self.n = positive_integer(self.label, "n", n)
        self.eps = number(self.label, "eps", eps)
        if self.n % self.groups:
            raise ValueError(f"{self.label}: n is {n}, must be a multiple of groups, {groups}")
        rng = default_generator()
        self.gamma = Parameter(initialize(self.label, "gamma", "ones", (self.n,), rng))
        self.beta = Parameter(initialize(self.label, "beta", "zeros", (self.n,), rng))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.n:
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n})")
        grouped = ops.reshape(x, (len(x), self.groups, self.n // self.groups))
        centred = grouped - ops.mean(grouped, axis=2, keepdims=True)
        normal = centred / ops.sqrt(ops.mean(centred * centred, axis=2, keepdims=True) + self.eps)
        return self.gamma * ops.reshape(normal, (len(x), self.n)) + self.beta


class GaussianNoise(Module):
    """y = x + noise in training, noise ~ N(0, stddev**2) drawn per element; y = x in evaluation.

    Args:
        stddev: >= 0.
        rng: draws the noise; None: the default generator.
    """

    def __init__(self, stddev: float, name: str | None = None, rng: Generator | None = None) -> None:
        self.name, self.rng = name, rng
        self.stddev = number(self.label, "stddev", stddev)

    def forward(self, x: Tensor) -> Tensor:
        if not self.learns or self.stddev == 0:
            return x
        key = (self.rng or default_generator()).next_key()
        noise = kernels.random_normal(math.prod(x.shape), 0.0, self.stddev, *key)
        return x + as_result(kernels.reshape(noise, x.shape))


class Rescaling(Module):
    """y = x * scale + offset, such as ``Rescaling(1 / 255)`` for bytes."""

    def __init__(self, scale: float, offset: float = 0.0, name: str | None = None) -> None:
        self.scale, self.offset, self.name = scale, offset, name

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset


class Normalization(Module):
    """y = (x - mean) / sqrt(var) with statistics that `adapt` computes from data; not trained.

    A constant column becomes 0. As a layer it is saved with the model, so that inputs need no preprocessing.

    Args:
        n: x is (batch, n).

    Attributes:
        mean, var: (n,), initially 0 and 1; buffers.
    """

    def __init__(self, n: int, name: str | None = None) -> None:
        self.name = name
        self.n = positive_integer(self.label, "n", n)
        rng = default_generator()
        self.mean = Tensor(initialize(self.label, "mean", "zeros", (self.n,), rng))
        self.var = Tensor(initialize(self.label, "var", "ones", (self.n,), rng))

    def adapt(self, x: Any) -> Normalization:
        """Sets mean and variance to those of each column of x, (examples, n), computed in float64; returns the layer.

        Raises:
            ValueError: x is not (examples, n), has no examples, or holds numbers that are not finite.
        """
        values = np.asarray(x, np.float64)
        if values.ndim != 2 or values.shape[1] != self.n or not len(values):
            raise ValueError(f"{self.label}: x has shape {values.shape}, must be (examples, {self.n})")
        if not np.isfinite(values).all():
            raise ValueError(f"{self.label}: x holds NaN or infinity")
        var = values.var(axis=0)
        self.mean.data[...] = values.mean(axis=0)
        self.var.data[...] = np.where(var > 0, var, 1.0)
        return self

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.n:
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n})")
        return (x - self.mean) / ops.sqrt(self.var)


class Reshape(Module):
    """y = x with the axes after the batch axis reshaped: ``(batch, ...)`` to ``(batch, *shape)``.

    Args:
        shape: sizes; one may be -1, which is computed from the others.
    """

    def __init__(self, shape: Sequence[int], name: str | None = None) -> None:
        self.name = name
        self.shape = [int(n) for n in shape]

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 0:
            raise ValueError(f"{self.label}: x has no axes, must have a batch axis")
        return ops.reshape(x, (x.shape[0], *self.shape))
