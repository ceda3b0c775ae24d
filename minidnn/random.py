"""Random numbers that can be named: the same seed gives the same bytes, whoever computes them, in whatever order."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn import kernels
from minidnn.recording import mode

Shape = int | tuple[int, ...]


class Generator:
    """A stream of Philox 4x32-10 draws (Salmon et al. 2011).

    Each call of a method below is one *draw*: element ``i`` of draw ``d`` depends on ``(seed, stream, d, i)`` only,
    so neither threads nor instruction sets nor the size of earlier draws move it.

    Args:
        seed: 0 <= seed < 2**64, the Philox key.
        stream: 0 <= stream < 2**32; generators of one seed and different streams share no number.

    Raises:
        TypeError: seed or stream is not an integer.
        ValueError: seed or stream is out of range.
    """

    __slots__ = ("_lock", "draw", "seed", "stream")

    def __init__(self, seed: int, stream: int = 0) -> None:
        self.seed = _checked("seed", seed, 2**64)
        self.stream = _checked("stream", stream, 2**32)
        self.draw = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, stream={self.stream}, draw={self.draw})"

    def next_key(self) -> tuple[int, int, int]:
        """``(seed, stream, draw)`` of the next draw, which is thereby used up."""
        with self._lock:
            key = self.seed, self.stream, self.draw
            self.draw += 1
        if mode.cells is not None:
            mode.cells.drawn(self, key)
        return key

    def bits(self, shape: Shape) -> npt.NDArray[np.uint32]:
        """Uniform 32-bit words."""
        shape = _as_shape(shape)
        return kernels.random_bits(math.prod(shape), *self.next_key()).reshape(shape)

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0) -> npt.NDArray[np.float32]:
        """float32, uniform in [low, high), from 24 random bits."""
        unit = (self.bits(shape) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        return np.float32(low) + np.float32(high - low) * unit

    def normal(self, shape: Shape, mean: float = 0.0, std: float = 1.0) -> npt.NDArray[np.float32]:
        """float32, normally distributed: ``mean + std * quantile(u)``, with u from 32 random bits."""
        unit = (self.bits(shape) + 0.5) * 2.0**-32
        return (mean + std * normal_quantile(unit)).astype(np.float32)

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """A shuffled ``arange(n)``."""
        from minidnn.data.pipeline import permutation  # here, for the data package imports this module

        return permutation(n, *self.next_key())

    def spawn(self) -> Generator:
        """A new generator whose seed is 64 bits of this one's next draw."""
        low, high = self.bits(2).tolist()
        return Generator(low | (high << 32))

    def get_state(self) -> dict[str, int]:
        """``seed``, ``stream`` and ``draw``: all there is."""
        return {"seed": self.seed, "stream": self.stream, "draw": self.draw}

    def set_state(self, state: dict[str, int]) -> None:
        """Continues exactly where `get_state` was taken."""
        self.seed = _checked("seed", state["seed"], 2**64)
        self.stream = _checked("stream", state["stream"], 2**32)
        self.draw = _checked("draw", state["draw"], 2**64)


def _checked(name: str, value: int, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"Generator: {name} must be an integer, got {type(value).__name__}")
    if not 0 <= value < limit:
        raise ValueError(f"Generator: {name} must be in [0, 2**{limit.bit_length() - 1}), got {value}")
    return int(value)


def _as_shape(shape: Shape) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


_default = Generator(0)


def default_generator() -> Generator:
    """The generator that everything random uses where no ``rng=`` is given."""
    return _default


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator, from which initial weights, order and masks follow; returns it."""
    _default.set_state({"seed": _checked("seed", seed, 2**64), "stream": 0, "draw": 0})
    return _default


def get_rng_state() -> dict[str, int]:
    """The state of the default generator."""
    return _default.get_state()


def set_rng_state(state: dict[str, int]) -> None:
    """Sets the state of the default generator, as `get_rng_state` returned it."""
    _default.set_state(state)


# The quantile of the normal distribution: Wichura 1988, algorithm AS 241 (PPND16), relative error about 1e-16.
# Only + - * / sqrt and frexp, each exactly rounded, so that initial weights have the same bytes on every machine.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_NEAR_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    numerator, denominator = (np.full_like(x, row[0]) for row in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        numerator, denominator = numerator * x + a, denominator * x + b
    return numerator / denominator


def _log(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """log(x) for x > 0 as ``e * log(2) + 2 * atanh((m - 1) / (m + 1))`` with ``x = m * 2**e``."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa, exponent = np.where(low, 2.0 * mantissa, mantissa), exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = np.zeros_like(s)
    for power in range(23, 0, -2):
        series = series * (s * s) + 1.0 / power
    return exponent * math.log(2.0) + 2.0 * s * series


def normal_quantile(p: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The inverse of the standard normal distribution, for p in (0, 1)."""
    q = p - 0.5
    r = np.sqrt(-_log(np.minimum(p, 1.0 - p)))
    tail = np.where(r <= 5.0, _ratio(_NEAR_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5.0))
    return np.where(np.abs(q) <= 0.425, q * _ratio(_CENTRE, 0.180625 - q * q), np.copysign(tail, q))
