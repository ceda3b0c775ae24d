"""Normalization layers."""

from __future__ import annotations

from minidnn import kernels, ops
from minidnn.checks import number, positive_integer
from minidnn.leaves import held
from minidnn.nn.initializers import initialize
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.random import default_generator
from minidnn.tensor import Tensor


class BatchNorm(Module):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta over the batch (Ioffe & Szegedy 2015).

    Training uses the mean and variance of the batch and updates the running statistics:
    ``running = momentum * running + (1 - momentum) * batch``. Evaluation uses the running statistics. So does a layer
    that is frozen, or whose gamma and beta are, and it leaves them unchanged. In training a batch of one example has
    variance 0: y is beta, and the running statistics are not updated.

    Args:
        n: x is (batch, n).
        momentum: of the running statistics, in [0, 1]; 0.99 is TensorFlow's default, 1 keeps them unchanged.
        eps: >= 0, added to the variance.

    Attributes:
        gamma, beta: (n,), initially 1 and 0.
        running_mean, running_var: (n,), initially 0 and 1; buffers.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range; on call, x is not (batch, n), or the batch is empty.
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
        if x._data.ndim != 2 or x._data.shape[1] != self.n or not len(x):
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n}) with batch > 0")
        if not (self.learns and (self.gamma.requires_grad or self.beta.requires_grad)):
            statistics = held(self.running_mean), held(self.running_var)
            return ops.batch_norm_eval(x, self.gamma, self.beta, *statistics, self.eps)
        y, mean, var = ops.batch_norm(x, self.gamma, self.beta, self.eps)
        if len(x) == 1:
            return y
        for running, batch in ((self.running_mean, mean), (self.running_var, var)):
            kernels.moving_average(held(running), batch, momentum=self.momentum)
            running.version += 1
        return y


class LayerNorm(Module):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta along each row (Ba et al. 2016), in training and evaluation.

    Args:
        n: x is (batch, n).
        eps: >= 0, added to the variance.

    Raises:
        TypeError: an argument is not a number.
        ValueError: an argument is out of range; on call, x is not (batch, n), or the batch is empty.
    """

    def __init__(self, n: int, eps: float = 1e-5, name: str | None = None) -> None:
        self.name = name
        self.n = positive_integer(self.label, "n", n)
        self.eps = number(self.label, "eps", eps)
        rng = default_generator()
        self.gamma = Parameter(initialize(self.label, "gamma", "ones", (self.n,), rng))
        self.beta = Parameter(initialize(self.label, "beta", "zeros", (self.n,), rng))

    def forward(self, x: Tensor) -> Tensor:
        if x._data.ndim != 2 or x._data.shape[1] != self.n or not len(x):
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n}) with batch > 0")
        return ops.layer_norm(x, self.gamma, self.beta, self.eps)
