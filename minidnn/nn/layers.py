"""Layers: dense, flatten and PReLU."""

from __future__ import annotations

import math
from collections.abc import Callable

from minidnn import ops
from minidnn.activations import ALPHA
from minidnn.checks import positive_integer
from minidnn.nn.constraints import Constraint
from minidnn.nn.initializers import Initializer, constant, initialize
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.nn.regularizers import Regularizer, penalties_of
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor


class Dense(Module):
    """y = activation(x @ kernel + bias).

    Args:
        n_in, n_out: x is (batch, n_in), y is (batch, n_out).
        activation: None; a name of `minidnn.activations`, with its default setting; or a function or layer that maps a
            Tensor to a Tensor.
        kernel_initializer, bias_initializer: names or functions of `minidnn.nn.initializers`. The defaults, Glorot
            uniform and zeros, are those of ``tf.layers.dense``.
        name: the prefix of the names of its parameters: ``hidden1.kernel``.
        rng: draws the initial values; None: the default generator.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on the weights, the biases and y, such as
            ``nn.l1(0.001)``; see `Module.regularization_loss`.
        kernel_constraint: applied after each step of the optimizer, such as ``nn.max_norm(1.0)``.

    Attributes:
        kernel: (n_in, n_out).
        bias: (n_out,).

    Raises:
        TypeError: n_in or n_out is not an integer, activation neither a name nor callable.
        ValueError: n_in or n_out < 1, an unknown name; on call, an x whose last axis is not n_in.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        name: str | None = None,
        rng: Generator | None = None,
        kernel_regularizer: Regularizer | None = None,
        bias_regularizer: Regularizer | None = None,
        activity_regularizer: Regularizer | None = None,
        kernel_constraint: Constraint | None = None,
    ) -> None:
        self.name = name
        self.n_in = positive_integer(self.label, "n_in", n_in)
        self.n_out = positive_integer(self.label, "n_out", n_out)
        self.activation = activation
        self._named, self._alpha = self._by_name(activation)
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.activity_regularizer = activity_regularizer
        self.kernel_constraint = kernel_constraint
        rng = rng or default_generator()
        shape = (self.n_in, self.n_out)
        kernel = initialize(self.label, "kernel_initializer", kernel_initializer, shape, rng)
        bias = initialize(self.label, "bias_initializer", bias_initializer, shape[1:], rng)
        self.kernel = Parameter(kernel, kernel_regularizer, kernel_constraint, owner=f"{self.label}: kernel")
        self.bias = Parameter(bias, bias_regularizer, owner=f"{self.label}: bias")
        if activity_regularizer is not None and not callable(activity_regularizer):
            raise TypeError(
                f"{self.label}: activity_regularizer is {activity_regularizer!r}, must be a function of y or None"
            )

    def _by_name(self, activation: str | Callable[[Tensor], Tensor] | None) -> tuple[str, float]:
        if activation is None or callable(activation):
            return "identity", 0.0
        if not isinstance(activation, str):
            raise TypeError(
                f"{self.label}: activation must be a name, a function or None, got {type(activation).__name__}"
            )
        if activation not in ALPHA:
            raise ValueError(f"{self.label}: activation must be one of {', '.join(ALPHA)}, got {activation!r}")
        return activation, ALPHA[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.apply(x, self.kernel)

    def apply(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The same as `forward`, with other weights instead of the kernel."""
        if x._data.ndim != 2 or x._data.shape[1] != self.n_in:
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.n_in})")
        y = ops.dense(x, kernel, self.bias, self._named, self._alpha)
        if callable(self.activation):
            y = self.activation(y)
        if self.activity_regularizer is not None and self.learns:
            where = f"{self.label}: activity_regularizer"
            self.activity_penalties.extend(penalties_of(where, self.activity_regularizer, y))
        return y


class Flatten(Module):
    """y = x with all axes after the first merged into one: (batch, ...) to (batch, n)."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 0:
            raise ValueError(f"{self.label}: x has no axes, must have a batch axis")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


class PReLU(Module):
    """y = x where x > 0, else alpha * x, with one learned slope per index of the last axis (He et al. 2015).

    Args:
        n_in: the size of x's last axis.
        alpha: the initial slope.
    """

    def __init__(self, n_in: int, alpha: float = 0.25, name: str | None = None) -> None:
        self.name = name
        self.n_in = positive_integer(self.label, "n_in", n_in)
        self.alpha = alpha
        self.slopes = Parameter(initialize(self.label, "alpha", constant(alpha), (self.n_in,), default_generator()))

    def forward(self, x: Tensor) -> Tensor:
        if x._data.shape[-1:] != (self.n_in,):
            raise ValueError(f"{self.label}: x has shape {x.shape}, its last axis must be {self.n_in}")
        return ops.prelu(x, self.slopes)
