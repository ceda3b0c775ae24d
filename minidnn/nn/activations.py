"""Activations as layers; `minidnn.ops` cites the papers."""

from __future__ import annotations

from minidnn import ops
from minidnn.checks import positive_integer
from minidnn.nn.module import Module
from minidnn.ops.activations import elementwise, gelu_op
from minidnn.random import Generator
from minidnn.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Maxout",
    "Mish",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "ThresholdedReLU",
]


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


class ReLU6(_Plain):
    """y = min(max(x, 0), 6)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu6(x)


class Hardtanh(_Plain):
    """y = min(max(x, -1), 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.hardtanh(x)


class Hardsigmoid(_Plain):
    """y = min(max(x + 3, 0), 6) / 6."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.hardsigmoid(x)


class Hardswish(_Plain):
    """y = x * hardsigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.hardswish(x)


class Softsign(_Plain):
    """``y = x / (1 + |x|)``."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.softsign(x)


class LogSigmoid(_Plain):
    """y = log(sigmoid(x))."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.logsigmoid(x)


class Mish(_Plain):
    """y = x * tanh(log(1 + exp(x)))."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.mish(x)


class SiLU(_Plain):
    """y = x * sigmoid(x), also called Swish."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.silu(x)


class GLU(_Plain):
    """y = a * sigmoid(b), where a and b are the halves of x along its last axis."""

    def forward(self, x: Tensor) -> Tensor:
        return ops.glu(x)


class CELU(Module):
    """y = x where x > 0, else alpha * (exp(x / alpha) - 1)."""

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        self.alpha, self.name = alpha, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.celu(x, self.alpha)


class ThresholdedReLU(Module):
    """y = x where x > alpha, else 0."""

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        self.alpha, self.name = alpha, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.thresholded_relu(x, self.alpha)


class GELU(Module):
    """y = x * P(Z <= x) for a standard normal Z; ``approximate="tanh"`` for `ops.gelu_tanh`."""

    def __init__(self, approximate: str = "none", name: str | None = None) -> None:
        self.approximate, self.name = approximate, name
        self.op = gelu_op(self.label, approximate)

    def forward(self, x: Tensor) -> Tensor:
        return elementwise(self.op, x)


class Maxout(Module):
    """y = the maximum of each ``pieces`` neighbours along the last axis."""

    def __init__(self, pieces: int, name: str | None = None) -> None:
        self.name = name
        self.pieces = positive_integer(self.label, "pieces", pieces)

    def forward(self, x: Tensor) -> Tensor:
        return ops.maxout(x, self.pieces)


class RReLU(Module):
    """y = x where x > 0, else a * x with a ~ U[lower, upper) in training; a = (lower + upper) / 2 in evaluation."""

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
