"""Layers that drop outputs or weights at random in training."""

from __future__ import annotations

import math
from typing import Literal

from minidnn import kernels, ops
from minidnn.checks import number
from minidnn.nn.layers import Dense
from minidnn.nn.module import Module
from minidnn.random import Generator, default_generator
from minidnn.reference.activations import SELU_ALPHA, SELU_SCALE
from minidnn.tensor import Tensor, as_result


class Dropout(Module):
    """In training each element is set to 0 with probability ``rate`` (Srivastava et al. 2014).

    Args:
        rate: the probability to drop an element, in [0, 1).
        mode: "inverted" divides the kept elements by 1 - rate in training, and y = x in evaluation; "scale_at_test"
            does not scale in training, and y = (1 - rate) * x in evaluation.
        rng: draws the masks; None: the default generator.

    Raises:
        ValueError: rate is not in [0, 1), or an unknown mode.
    """

    def __init__(
        self,
        rate: float,
        mode: Literal["inverted", "scale_at_test"] = "inverted",
        name: str | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.name = name
        self.rate = number(self.label, "rate", rate, below=1.0)
        if mode not in ("inverted", "scale_at_test"):
            raise ValueError(f"{self.label}: mode must be 'inverted' or 'scale_at_test', got {mode!r}")
        self.mode = mode
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        y = ops.dropout(x, self.rate, self.learns, self.rng)
        return y if self.mode == "inverted" else y * (1.0 - self.rate)


class AlphaDropout(Module):
    """Dropout for SELU: dropped elements take its saturation value; scale and shift keep mean 0 and variance 1.

    ``y = a * (x where kept, else s) + b`` with ``s = -1.0507 * 1.6733``, ``q = 1 - rate``,
    ``a = (q + s**2 * q * rate) ** -0.5``, ``b = -a * s * rate`` (Klambauer et al. 2017).

    Args:
        rate: in [0, 1).
        rng: draws the masks; None: the default generator.
    """

    def __init__(self, rate: float, name: str | None = None, rng: Generator | None = None) -> None:
        self.name = name
        self.rate = number(self.label, "rate", rate, below=1.0)
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        if not self.learns or self.rate == 0:
            return x
        saturation, q = -SELU_SCALE * SELU_ALPHA, 1.0 - self.rate
        a = 1.0 / math.sqrt(q + saturation**2 * q * self.rate)
        key = (self.rng or default_generator()).next_key()
        mask = kernels.dropout(kernels.full_like(x._data, 1.0), self.rate, *key)
        return a * ops.where(as_result(mask), x, saturation) - a * saturation * self.rate


class DropConnect(Module):
    """A dense layer whose weights are dropped in training, not its outputs (Wan et al. 2013).

    ``y = activation(x @ (kernel * mask / (1 - rate)) + bias)`` with one mask for the whole batch; in evaluation the
    mask is 1 and nothing is scaled.

    Args:
        dense: the layer.
        rate: in [0, 1).
        rng: draws the masks; None: the default generator.
    """

    def __init__(self, dense: Dense, rate: float, name: str | None = None, rng: Generator | None = None) -> None:
        self.name = name
        self.dense = dense
        self.rate = number(self.label, "rate", rate, below=1.0)
        self.rng = rng

    def forward(self, x: Tensor) -> Tensor:
        return self.dense.apply(x, ops.dropout(self.dense.kernel, self.rate, self.learns, self.rng))
