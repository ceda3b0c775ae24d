"""Noise for denoising autoencoders, and a sparsity penalty for hidden units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minidnn import kernels, ops
from minidnn.checks import an_array, number
from minidnn.random import Generator
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Corruption = Callable[[Array, Generator], Array]


@dataclass(frozen=True)
class masking:
    """Sets each element to 0 with probability ``rate`` (Vincent et al. 2008).

    Raises:
        ValueError: rate is not in [0, 1).
    """

    rate: float

    def __post_init__(self) -> None:
        number("masking", "rate", self.rate, below=1.0)

    def __call__(self, x: Array, rng: Generator) -> Array:
        an_array("masking", "x", x)
        keep = kernels.full_like(x, 1.0 - self.rate)
        return kernels.multiply(x, kernels.bernoulli(keep, *rng.next_key()))


@dataclass(frozen=True)
class gaussian_noise:
    """``x + N(0, std**2)`` (Vincent et al. 2010).

    Raises:
        ValueError: std is negative or not finite.
    """

    std: float

    def __post_init__(self) -> None:
        number("gaussian_noise", "std", self.std)

    def __call__(self, x: Array, rng: Generator) -> Array:
        an_array("gaussian_noise", "x", x)
        noise = kernels.random_normal(x.size, 0.0, self.std, *rng.next_key()).reshape(x.shape)
        return kernels.add(x, noise if x.dtype == np.float32 else kernels.astype(noise, x.dtype.str))


@dataclass(frozen=True)
class kl_sparsity:
    """``scale * sum over units of KL(target || mean)``, mean over the batch (Lee et al. 2008; Ng 2011).

    ``KL = target * log(target / mean) + (1 - target) * log((1 - target) / (1 - mean))``, so that each unit is active in
    a fraction ``target`` of the examples. A penalty for ``activity_regularizer=`` of units in [0, 1]; use ``nn.l1`` for
    unbounded units.

    Raises:
        ValueError: target is not in (0, 1), or scale negative or not finite.
    """

    target: float = 0.05
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < number("kl_sparsity", "target", self.target) < 1:
            raise ValueError(f"kl_sparsity: target must be in (0, 1), got {self.target}")
        number("kl_sparsity", "scale", self.scale)

    def __call__(self, h: Tensor) -> Tensor:
        t = self.target
        mean = ops.clip(ops.mean(h, axis=0), 1e-6, 1 - 1e-6)  # avoids log(0)
        entropy = t * np.log(t) + (1 - t) * np.log(1 - t)
        cross = t * ops.log(mean) + (1 - t) * ops.log(1.0 - mean)
        return self.scale * (float(entropy) * h.shape[1] - ops.sum(cross))
