"""Normal random numbers from random bits, by the inverse of the distribution function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn.reference.random import random_bits

# The quantile of the normal distribution: Wichura 1988, algorithm AS 241 (PPND16), relative error about 1e-16.
# Only + - * / sqrt and frexp, all correctly rounded, so that initial weights have the same bytes on every machine.
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
    """The inverse of the standard normal distribution function, for p in (0, 1)."""
    q = p - 0.5
    r = np.sqrt(-_log(np.minimum(p, 1.0 - p)))
    tail = np.where(r <= 5.0, _ratio(_NEAR_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5.0))
    return np.where(np.abs(q) <= 0.425, q * _ratio(_CENTRE, 0.180625 - q * q), np.copysign(tail, q))


def random_normal(n: int, mean: float, std: float, seed: int, stream: int, draw: int) -> npt.NDArray[np.float32]:
    """``mean + std * quantile(u)``, n values, with u in (0, 1) from 32 random bits; computed in float64."""
    unit = (random_bits(n, seed, stream, draw) + 0.5) * 2.0**-32
    return (mean + std * normal_quantile(unit)).astype(np.float32)
