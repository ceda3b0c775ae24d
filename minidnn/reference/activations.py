"""Activations and their derivatives, computed from the output ``y`` if possible, else from the input ``x``."""

from __future__ import annotations

import math

import numpy as np

from minidnn.reference.types import Floats

SELU_SCALE = 1.05070098735548049342
SELU_ALPHA = 1.67326324235437728482


def relu(x: Floats) -> Floats:
    """``y = max(x, 0)`` (Nair & Hinton 2010)."""
    return np.where(x < 0, x.dtype.type(0), x)


def relu_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy`` where y > 0, else 0."""
    return np.where(y > 0, dy, y.dtype.type(0))


def leaky_relu(x: Floats, alpha: float) -> Floats:
    """``y = x`` where x > 0, else ``alpha * x`` (Maas et al. 2013)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * x)


def leaky_relu_backward(dy: Floats, y: Floats, alpha: float) -> Floats:
    """``dx = dy`` where y > 0, else ``alpha * dy``."""
    return np.where(y > 0, dy, y.dtype.type(alpha) * dy)


def prelu(x: Floats, alpha: Floats) -> Floats:
    """``y = x`` where x > 0, else ``alpha * x``, one learned slope per index of the last axis (He et al. 2015)."""
    return np.where(x > 0, x, alpha * x)


def prelu_backward(dy: Floats, x: Floats, alpha: Floats, need_dalpha: bool) -> tuple[Floats, Floats | None]:
    """``dx = dy`` or ``alpha * dy``; ``dalpha = sum of dy * x`` over the rows where x <= 0, if needed."""
    dx = np.where(x > 0, dy, alpha * dy)
    if not need_dalpha:
        return dx, None
    rows = x.size // max(alpha.size, 1)
    return dx, np.where(x > 0, x.dtype.type(0), dy * x).reshape(rows, alpha.size).sum(axis=0)


def elu(x: Floats, alpha: float) -> Floats:
    """``y = x`` where x > 0, else ``alpha * (exp(x) - 1)`` (Clevert et al. 2015)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)))


def elu_backward(dy: Floats, y: Floats, alpha: float) -> Floats:
    """``dx = dy`` where y > 0, else ``dy * (y + alpha)``."""
    return np.where(y > 0, dy, dy * (y + y.dtype.type(alpha)))


def selu(x: Floats) -> Floats:
    """``y = scale * elu(x, alpha)`` with the constants of Klambauer et al. 2017."""
    scale, scaled_alpha = x.dtype.type(SELU_SCALE), x.dtype.type(SELU_SCALE * SELU_ALPHA)
    return np.where(x > 0, scale * x, scaled_alpha * np.expm1(np.minimum(x, 0)))


def selu_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * scale`` where y > 0, else ``dy * (y + scale * alpha)``."""
    scale, scaled_alpha = y.dtype.type(SELU_SCALE), y.dtype.type(SELU_SCALE * SELU_ALPHA)
    return np.where(y > 0, dy * scale, dy * (y + scaled_alpha))


def tanh(x: Floats) -> Floats:
    """``y = tanh(x)``."""
    return np.tanh(x)


def tanh_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * (1 - y * y)``."""
    return dy * (1 - y * y)


def sigmoid(x: Floats) -> Floats:
    """``y = 1 / (1 + exp(-x))``, computed without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, x.dtype.type(1)) / (1 + e)


def sigmoid_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * y * (1 - y)``."""
    return dy * (y * (1 - y))


def softplus(x: Floats) -> Floats:
    """``y = log(1 + exp(x))``, computed without overflow (Dugas et al. 2001)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * (1 - exp(-y))``."""
    return dy * -np.expm1(-y)


def relu6(x: Floats) -> Floats:
    """``y = min(max(x, 0), 6)`` (Krizhevsky 2010)."""
    return _clamp(x, 0, 6)


def relu6_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy`` where 0 < y < 6, else 0."""
    return np.where((y > 0) & (y < 6), dy, y.dtype.type(0))


def hardtanh(x: Floats) -> Floats:
    """``y = min(max(x, -1), 1)`` (Collobert 2004)."""
    return _clamp(x, -1, 1)


def hardtanh_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy`` where -1 < y < 1, else 0."""
    return np.where((y > -1) & (y < 1), dy, y.dtype.type(0))


def hardsigmoid(x: Floats) -> Floats:
    """``y = min(max(x + 3, 0), 6) / 6`` (Courbariaux et al. 2015, with the slope of Howard et al. 2019)."""
    return _clamp(x + 3, 0, 6) / 6


def hardsigmoid_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy / 6`` where 0 < y < 1, else 0."""
    return np.where((y > 0) & (y < 1), dy / 6, y.dtype.type(0))


def hardswish(x: Floats) -> Floats:
    """``y = x * hardsigmoid(x)`` (Howard et al. 2019)."""
    return x * hardsigmoid(x)


def hardswish_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy * (2 x + 3) / 6`` where -3 < x < 3; 0 below, dy above."""
    inside = np.where(x < 3, (2 * x + 3) / 6, x.dtype.type(1))
    return dy * np.where(x > -3, inside, x.dtype.type(0))


def celu(x: Floats, alpha: float) -> Floats:
    """``y = x`` where x > 0, else ``alpha * (exp(x / alpha) - 1)`` (Barron 2017)."""
    a = x.dtype.type(alpha)
    return np.where(x > 0, x, a * np.expm1(np.minimum(x / a, 0)))


def celu_backward(dy: Floats, y: Floats, alpha: float) -> Floats:
    """``dx = dy`` where y > 0, else ``dy * (y / alpha + 1)``."""
    return np.where(y > 0, dy, dy * (y / y.dtype.type(alpha) + 1))


def softsign(x: Floats) -> Floats:
    """``y = x / (1 + |x|)`` (Bergstra et al. 2009)."""
    return x / (1 + np.abs(x))


def softsign_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * (1 - |y|)**2``."""
    rest = 1 - np.abs(y)
    return dy * (rest * rest)


def thresholded_relu(x: Floats, alpha: float) -> Floats:
    """``y = x`` where x > alpha, else 0 (Konda et al. 2014)."""
    return np.where(x <= x.dtype.type(alpha), x.dtype.type(0), x)


def thresholded_relu_backward(dy: Floats, x: Floats, alpha: float) -> Floats:
    """``dx = dy`` where x > alpha, else 0."""
    return np.where(x > x.dtype.type(alpha), dy, x.dtype.type(0))


def logsigmoid(x: Floats) -> Floats:
    """``y = log(1 / (1 + exp(-x))) = -softplus(-x)``."""
    return -softplus(-x)


def logsigmoid_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * (1 - exp(y))``."""
    return dy * -np.expm1(y)


def mish(x: Floats) -> Floats:
    """``y = x * tanh(softplus(x))`` (Misra 2019)."""
    return x * np.tanh(softplus(x))


def mish_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy * (t + x * (1 - t * t) * sigmoid(x))`` with t = ``tanh(softplus(x))``."""
    t = np.tanh(softplus(x))
    return dy * (t + x * (1 - t * t) * sigmoid(x))


def silu(x: Floats) -> Floats:
    """``y = x * sigmoid(x)``, also called Swish (Elfwing et al. 2018, Ramachandran et al. 2017)."""
    return x * sigmoid(x)


def silu_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy * s * (1 + x * (1 - s))`` with s = sigmoid(x)."""
    s = sigmoid(x)
    return dy * (s * (1 + x * (1 - s)))


def gelu(x: Floats) -> Floats:
    """``y = x * P(Z <= x)`` for a standard normal Z (Hendrycks & Gimpel 2016)."""
    return x * _normal_cdf(x)


def gelu_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy * (P(Z <= x) + x * density(x))``."""
    density = x.dtype.type(1 / math.sqrt(2 * math.pi)) * np.exp(x.dtype.type(-0.5) * (x * x))
    return dy * (_normal_cdf(x) + x * density)


def gelu_tanh(x: Floats) -> Floats:
    """``y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3)))`` (Hendrycks & Gimpel 2016, their approximation)."""
    return x * _tanh_share(x)


def gelu_tanh_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy * (s + x * s * (1 - s) * slope)``, s = ``y / x``, slope = ``sqrt(8 / pi) * (1 + 0.134145 x**2)``."""
    real = x.dtype.type
    s, slope = _tanh_share(x), real(GELU_RATE) * (1 + real(3 * GELU_CUBE) * (x * x))
    return dy * (s + x * (s * (1 - s)) * slope)


GELU_RATE, GELU_CUBE = 2 * math.sqrt(2 / math.pi), 0.044715


def _tanh_share(x: Floats) -> Floats:
    real = x.dtype.type
    return sigmoid(real(GELU_RATE) * (x + real(GELU_CUBE) * (x * x * x)))


def _normal_cdf(x: Floats) -> Floats:
    """P(Z <= x), computed in float64 with math.erfc, which NumPy does not have."""
    exact = np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)), otypes=[np.float64])
    return np.asarray(exact(x.astype(np.float64)).astype(x.dtype))


def _clamp(x: Floats, low: float, high: float) -> Floats:
    """``min(max(x, low), high)``; NaN stays NaN, because its comparisons are false."""
    real = x.dtype.type
    x = np.where(x < low, real(low), x)
    return np.where(x > high, real(high), x)
