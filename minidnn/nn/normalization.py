"""Normalization layers."""

from __future__ import annotations

from minidnn import kernels, ops
from minidnn.checks import number, positive_integer
from minidnn.nn.initializers import initialize
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.random import default_generator
from minidnn.tensor import Tensor


class BatchNorm(Module):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta over the batch (Ioffe & Szegedy 2015).

    While training with the batch's own mean and variance, which move the running ones:
    ``running = momentum * running + (1 - momentum) * batch``. In evaluation with the running ones. A layer that is
    frozen, or whose gamma and beta are, uses the running ones too and leaves them as they are, so that no byte of it
    changes. A batch of one example has no variance: while training it becomes beta, and moves no running statistic.

    Args:
        n: x is (batch, n).
        momentum: of the running statistics, in [0, 1]; TensorFlow's default, 0.99; 1 leaves them as they are.
        eps: > 0, keeps the root away from 0.

    Attributes:
        gamma, beta: (n,), from 1 and 0.
        running_mean, running_var: (n,), from 0 and 1; buffers.

    Raises:
        ValueError: arguments out of range; on call, an x of another shape, or an empty batch.
    """

    def __init__(self, n: int, momentum: float = 0.99, eps: float = 1e-3, name: str | None = None) -> None:
        self.name = name
        self.n = positive_integer(self.label, "n", n)
        self.momentum = number(self.label, "momentum", momentum)
        if self.momentum > 1:
            raise ValueError(f"{self.label}: momentum must be in [0, 1], got {momentum}")
        self.eps = number(self.label, "eps", eps)
        rng = default_generator()
        self.gamma = Parameter(initialize(self.label, "gamma", "ones", (self.n,), rng))
        self.beta = Parameter(initialize(self.label, "beta", "zeros", (self.n,), rng))
        self.running_mean = Tensor(initialize(self.label, "running_mean", "zeros", (self.n,), rng))
        self.running_var = Tensor(initialize(self.label, "running_var", "ones", (self.n,), rng))

    def forward(self, x: Tensor) -> Tensor:
        if x.data.ndim != 2 or x.data.shape[1] != self.n or not len(x):
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n}) with batch > 0")
        if not (self.learns and (self.gamma.requires_grad or self.beta.requires_grad)):
            statistics = self.running_mean.data, self.running_var.data
            return ops.batch_norm_eval(x, self.gamma, self.beta, *statistics, self.eps)
        y, mean, var = ops.batch_norm(x, self.gamma, self.beta, self.eps)
        if len(x) == 1:
            return y
        for running, batch in ((self.running_mean, mean), (self.running_var, var)):
            kernels.moving_average(running.data, batch, momentum=self.momentum)
            running.version += 1
        return y


class LayerNorm(Module):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta along each row (Ba et al. 2016); training or not.

    Args:
        n: x is (batch, n).
        eps: > 0.

    Raises:
        ValueError: arguments out of range; on call, an x of another shape.
    """

    def __init__(self, n: int, eps: float = 1e-5, name: str | None = None) -> None:
        self.name = name
        self.n = positive_integer(self.label, "n", n)
        self.eps = number(self.label, "eps", eps)
        rng = default_generator()
        self.gamma = Parameter(initialize(self.label, "gamma", "ones", (self.n,), rng))
        self.beta = Parameter(initialize(self.label, "beta", "zeros", (self.n,), rng))

    def forward(self, x: Tensor) -> Tensor:
        if x.data.ndim != 2 or x.data.shape[1] != self.n or not len(x):
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n}) with batch > 0")
        return ops.layer_norm(x, self.gamma, self.beta, self.eps)
