"""Restricted Boltzmann machines; `divergence` trains them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from minidnn import kernels, ops
from minidnn.checks import positive_integer
from minidnn.leaves import held
from minidnn.nn.initializers import Initializer, initialize, variance_scaling
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.nn.regularizers import Regularizer
from minidnn.random import Generator, default_generator
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Visible = Literal["bernoulli", "gaussian"]
Hidden = Literal["bernoulli", "relu"]


_relu, _sigmoid, _softplus = (kernels.activation(name)[0] for name in ("relu", "sigmoid", "softplus"))


class RBM(Module):
    """A restricted Boltzmann machine (Smolensky 1986; Hinton 2002)::

        p(v, h) = exp(-E(v, h)) / Z
        E(v, h) = -v @ visible_bias - h @ hidden_bias - v @ kernel @ h               visible="bernoulli"
        E(v, h) = |v - visible_bias|**2 / 2 - h @ hidden_bias - v @ kernel @ h       visible="gaussian"

    so that the units of one layer are independent given the other::

        p(h = 1 | v) = sigmoid(v @ kernel + hidden_bias)                            hidden="bernoulli"
        h | v        = max(0, x + N(0, sigmoid(x))),  x = v @ kernel + hidden_bias  hidden="relu" (Nair & Hinton 2010)
        p(v = 1 | h) = sigmoid(h @ kernel.T + visible_bias)                         visible="bernoulli"
        v | h        = N(h @ kernel.T + visible_bias, 1)                             visible="gaussian"

    As a layer it returns the mean of its hidden units, as ``Dense(n_visible, n_hidden, "sigmoid")`` does (or "relu").
    Real numbers in [0, 1] may be probabilities of Bernoulli units, such as the grey levels of MNIST. Gaussian
    units have variance 1: standardize the data.

    Args:
        n_visible, n_hidden: sizes.
        visible, hidden: kinds of units.
        kernel_initializer: None: N(0, 0.01**2) (Hinton 2010); the biases start at 0, see `center`.
        kernel_regularizer: weight decay, such as ``nn.l2(1e-4)``.
        rng: draws the initial values; None: the default generator.

    Attributes:
        kernel: (n_visible, n_hidden).
        visible_bias, hidden_bias: (n_visible,), (n_hidden,).

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size below 1, an unknown kind; on call, a v whose last axis is not n_visible.
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        visible: Visible = "bernoulli",
        hidden: Hidden = "bernoulli",
        kernel_initializer: str | Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        name: str | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.name = name
        self.n_visible = positive_integer(self.label, "n_visible", n_visible)
        self.n_hidden = positive_integer(self.label, "n_hidden", n_hidden)
        for argument, kind, kinds in (("visible", visible, get_args(Visible)), ("hidden", hidden, get_args(Hidden))):
            if kind not in kinds:
                raise ValueError(f"{self.label}: {argument} must be one of {', '.join(kinds)}, got {kind!r}")
        self.visible, self.hidden = visible, hidden
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        rng = rng or default_generator()
        shape = (self.n_visible, self.n_hidden)
        start = kernel_initializer or variance_scaling(1e-4 * self.n_visible, "in", "normal")
        kernel = initialize(self.label, "kernel_initializer", start, shape, rng)
        self.kernel = Parameter(kernel, kernel_regularizer, owner=f"{self.label}: kernel")
        self.visible_bias = Parameter(initialize(self.label, "visible_bias", "zeros", shape[:1], rng))
        self.hidden_bias = Parameter(initialize(self.label, "hidden_bias", "zeros", shape[1:], rng))

    def forward(self, x: Tensor) -> Tensor:
        self.check(x._data)
        return ops.dense(x, self.kernel, self.hidden_bias, "sigmoid" if self.hidden == "bernoulli" else "relu")

    def check(self, v: Array) -> None:
        """Raises a ValueError unless v is (batch, n_visible)."""
        if v.ndim != 2 or v.shape[1] != self.n_visible:
            raise ValueError(f"{self.label}: v has shape {v.shape}, must be (batch, {self.n_visible})")

    # The conditional distributions: float arrays in and out, one row per example

    def hidden_mean(self, v: Array) -> Array:
        """The mean of the hidden units given the visible ones; of "relu" units without their noise."""
        activation = "sigmoid" if self.hidden == "bernoulli" else "relu"
        return kernels.dense(v, held(self.kernel), held(self.hidden_bias), activation, 0.0)

    def visible_mean(self, h: Array) -> Array:
        """The mean of the visible units given the hidden ones."""
        activation = "sigmoid" if self.visible == "bernoulli" else "identity"
        return kernels.dense(h, held(self.kernel).T, held(self.visible_bias), activation, 0.0)

    def sample_hidden(self, v: Array, rng: Generator | None = None) -> Array:
        """Hidden units drawn given the visible ones; one draw of rng."""
        return self.draw_hidden(self.hidden_mean(v), v, rng)

    def sample_visible(self, h: Array, rng: Generator | None = None) -> Array:
        """Visible units drawn given the hidden ones; one draw of rng."""
        return self.draw_visible(self.visible_mean(h), rng)

    def draw_hidden(self, mean: Array, v: Array, rng: Generator | None = None) -> Array:
        """`sample_hidden` with a known mean given v."""
        key = (rng or default_generator()).next_key()
        if self.hidden == "bernoulli":
            return kernels.bernoulli(mean, *key)
        x = kernels.dense(v, held(self.kernel), held(self.hidden_bias), "identity", 0.0)
        deviation = kernels.sqrt(_sigmoid(x))
        return _relu(kernels.add(x, kernels.multiply(deviation, _noise(x, key))))

    def draw_visible(self, mean: Array, rng: Generator | None = None) -> Array:
        """`sample_visible` with a known mean."""
        key = (rng or default_generator()).next_key()
        return kernels.bernoulli(mean, *key) if self.visible == "bernoulli" else kernels.add(mean, _noise(mean, key))

    def gibbs(self, h: Array, steps: int = 1, rng: Generator | None = None) -> tuple[Array, Array]:
        """Samples v given h, then h given v, ``steps`` times; returns the last v and h. Two draws of rng per step."""
        for _ in range(positive_integer(self.label, "steps", steps)):
            v = self.sample_visible(h, rng)
            h = self.sample_hidden(v, rng)
        return v, h

    def sample(self, n: int, steps: int = 1000, rng: Generator | None = None) -> Array:
        """Samples of the model: the means of the visible units of n chains of Gibbs sampling, started at h = 0."""
        h = np.zeros((positive_integer(self.label, "n", n), self.n_hidden), np.float32)
        return self.visible_mean(self.gibbs(h, steps, rng)[1])

    # Biases and quality

    def center(self, v: Any) -> None:
        """Sets the visible biases to fit the data without hidden units (Hinton 2010, section 8).

        ``log(p / (1 - p))`` of the means p, clipped to [0.001, 0.999]; the means themselves for Gaussian units.
        """
        mean = np.asarray(v).mean(axis=0, dtype=np.float64)
        if self.visible == "bernoulli":
            mean = np.clip(mean, 0.001, 0.999)
            mean = np.log(mean / (1 - mean))
        held(self.visible_bias)[...] = mean
        self.visible_bias.version += 1

    def free_energy(self, v: Any) -> Array:
        """``F(v) = -log(sum over h of exp(-E(v, h)))`` for each row, float64 (n,): lower is more probable.

        ``F(v) = -v @ visible_bias - sum(log(1 + exp(v @ kernel + hidden_bias)))``, with
        ``|v - visible_bias|**2 / 2`` instead of the first term for Gaussian units.

        Raises:
            ValueError: the hidden units are "relu", for which no closed form is known; v has another shape.
        """
        v = np.asarray(v)
        self.check(v)
        if self.hidden != "bernoulli":
            raise ValueError(f"{self.label}: only Bernoulli hidden units have a free energy, these are {self.hidden}")
        x = kernels.dense(v, held(self.kernel), held(self.hidden_bias), "identity", 0.0)
        bias = held(self.visible_bias).astype(np.float64)
        own = -(v @ bias) if self.visible == "bernoulli" else ((v - bias) ** 2).sum(axis=1) / 2
        return own - _softplus(x).sum(axis=1, dtype=np.float64)

    def reconstruction_error(self, v: Any) -> Array:
        """``|v - visible_mean(hidden_mean(v))|**2`` for each row, float64 (n,)."""
        v = np.asarray(v)
        self.check(v)
        return ((v - self.visible_mean(self.hidden_mean(v))).astype(np.float64) ** 2).sum(axis=1)

    def pseudo_log_likelihood(self, v: Any, rng: Generator | None = None) -> Array:
        """An unbiased estimate of ``sum over i of log p(v[i] | the other v)`` for each row, float64 (n,) (Besag 1975).

        One i per row is drawn: ``n_visible * log(sigmoid(F(v with v[i] flipped) - F(v)))``.

        Raises:
            ValueError: the visible units are Gaussian; v is not 0 or 1; as `free_energy`.
        """
        v = np.asarray(v)
        self.check(v)
        if self.visible != "bernoulli" or not np.isin(v, (0, 1)).all():
            raise ValueError(f"{self.label}: the pseudo-likelihood needs Bernoulli units; v must be 0 or 1")
        rows, bits = np.arange(len(v)), (rng or default_generator()).bits(len(v)).astype(np.uint64)
        places = (bits * np.uint64(self.n_visible)) >> np.uint64(32)
        flipped = v.copy()
        flipped[rows, places] = 1 - v[rows, places]
        return -self.n_visible * np.logaddexp(0, self.free_energy(v) - self.free_energy(flipped))


def _noise(x: Array, key: tuple[int, int, int]) -> Array:
    """Standard normal numbers in the shape and dtype of x."""
    noise = kernels.random_normal(x.size, 0.0, 1.0, *key).reshape(x.shape)
    return noise if x.dtype == np.float32 else noise.astype(x.dtype)
