"""Initializers of parameters: functions ``(shape, rng) -> float32 array``.

The fan-in and fan-out of a kernel of shape ``(n_in, n_out)`` are n_in and n_out.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from minidnn import kernels
from minidnn.random import Generator

Shape = tuple[int, ...]
Initializer = Callable[[Shape, Generator], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class variance_scaling:
    """Mean 0 and variance ``scale / fan``: uniform in ``[-l, l)``, ``l = sqrt(3 * scale / fan)``, or normal.

    Args:
        scale: > 0.
        fan: "in" for n_in, "average" for (n_in + n_out) / 2.
        distribution: "uniform" or "normal".
    """

    scale: float
    fan: Literal["in", "average"]
    distribution: Literal["uniform", "normal"]

    def __call__(self, shape: Shape, rng: Generator) -> npt.NDArray[np.float32]:
        n_in, n_out = math.prod(shape[:-1]), shape[-1]
        fan = n_in if self.fan == "in" else (n_in + n_out) / 2
        variance = self.scale / max(fan, 1)
        if self.distribution == "normal":
            return rng.normal(shape, std=math.sqrt(variance))
        limit = math.sqrt(3 * variance)
        return rng.uniform(shape, -limit, limit)


@dataclass(frozen=True)
class constant:
    """Every element is ``value``."""

    value: float

    def __call__(self, shape: Shape, rng: Generator) -> npt.NDArray[np.float32]:
        return np.full(shape, self.value, np.float32)


@dataclass(frozen=True)
class uniform:
    """Uniform in [-limit, limit), independent of the shape: for embeddings, whose rows are looked up individually."""

    limit: float

    def __call__(self, shape: Shape, rng: Generator) -> npt.NDArray[np.float32]:
        return rng.uniform(shape, -self.limit, self.limit)


@dataclass(frozen=True)
class orthogonal:
    """``gain`` times orthonormal rows or columns, whichever are fewer (Saxe et al. 2013)."""

    gain: float = 1.0

    def __call__(self, shape: Shape, rng: Generator) -> npt.NDArray[np.float32]:
        n_in, n_out = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.normal((max(n_in, n_out), min(n_in, n_out))).astype(np.float64))
        q = q * np.sign(np.diag(r))  # without it the signs of q are not uniform
        return (self.gain * (q if n_in >= n_out else q.T)).astype(np.float32).reshape(shape)


glorot_uniform = variance_scaling(1.0, "average", "uniform")
"""Glorot & Bengio 2010: for tanh, sigmoid and softmax layers."""
glorot_normal = variance_scaling(1.0, "average", "normal")
he_uniform = variance_scaling(2.0, "in", "uniform")
"""He et al. 2015: for ReLU and similar functions, such as ELU."""
he_normal = variance_scaling(2.0, "in", "normal")
lecun_uniform = variance_scaling(1.0, "in", "uniform")
"""LeCun et al. 1998: for SELU."""
lecun_normal = variance_scaling(1.0, "in", "normal")
zeros = constant(0.0)
ones = constant(1.0)

INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal(),
    "uniform": uniform(0.05),
    "zeros": zeros,
    "ones": ones,
}


class _Deferral(threading.local):
    active = False


_deferral = _Deferral()


@contextmanager
def deferred() -> Iterator[None]:
    """Context manager: initial values are read-only zeros that take no memory, for a model that will be loaded."""
    before = _deferral.active
    _deferral.active = True
    try:
        yield
    finally:
        _deferral.active = before


def initialize(
    owner: str, argument: str, initializer: str | Initializer, shape: Shape, rng: Generator
) -> npt.NDArray[np.float32]:
    """Returns the initial values of an initializer, given as a function or by name.

    Raises:
        ValueError: the name is unknown, or the values have another shape; the message names owner and argument.
    """
    if isinstance(initializer, str):
        if initializer not in INITIALIZERS:
            raise ValueError(
                f"{owner}: {argument} must be one of {', '.join(INITIALIZERS)} or a function, got {initializer!r}"
            )
        initializer = INITIALIZERS[initializer]
    if _deferral.active:
        return np.broadcast_to(np.float32(0), shape)
    values = np.ascontiguousarray(initializer(shape, rng), dtype=np.float32)
    if values.shape != shape:
        raise ValueError(f"{owner}: {argument} returned shape {values.shape}, must return {shape}")
    return cast(npt.NDArray[np.float32], kernels.aligned_copy(values, place=0))
