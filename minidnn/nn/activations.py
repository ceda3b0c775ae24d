"""Activations as layers; `minidnn.ops` has the formulas and papers."""

from __future__ import annotations

from minidnn import ops
from minidnn.nn.module import Module
from minidnn.random import Generator
from minidnn.tensor import Tensor


class _Plain(Module):
    def __init__(self, name: str | None = None) -> None:
        self.name = name


class ReLU(_Plain):
    """y = max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class SELU(_Plain):
    """y = 1.0507 * elu(x, 1.6733)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.selu(x)


class Tanh(_Plain):
    """y = tanh(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.tanh(x)


class Sigmoid(_Plain):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


class Softplus(_Plain):
    """y = log(1 + exp(x))."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softplus(x)


class Softmax(_Plain):
    """y = exp(x) / sum(exp(x)) along the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softmax(x)


class LogSoftmax(_Plain):
    """y = x - log(sum(exp(x))) along the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.log_softmax(x)


class LeakyReLU(Module):
    """y = x where x > 0, else alpha * x."""

    def __init__(self, alpha: float = 0.01, name: str | None = None) -> None:
        self.alpha, self.name = alpha, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.leaky_relu(x, self.alpha)


class ELU(Module):
    """y = x where x > 0, else alpha * (exp(x) - 1)."""

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        self.alpha, self.name = alpha, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.elu(x, self.alpha)


class RReLU(Module):
    """y = x where x > 0, else a * x with a ~ U[lower, upper) while training, their mean in evaluation."""

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        name: str | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.lower, self.upper, self.name, self.rng = lower, upper, name, rng

    def forward(self, x: Tensor) -> Tensor:
        return ops.rrelu(x, self.lower, self.upper, self.learns, self.rng)
