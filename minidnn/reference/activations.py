"""Activations and their derivatives, which are told by the output ``y`` wherever that is possible."""

from __future__ import annotations

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
    """``y = x`` where x > 0, else ``alpha * x``, one learned slope for each place on the last axis (He et al. 2015)."""
    return np.where(x > 0, x, alpha * x)


def prelu_backward(dy: Floats, x: Floats, alpha: Floats, need_dalpha: bool) -> tuple[Floats, Floats | None]:
    """``dx = dy`` or ``alpha * dy``; ``dalpha = sum of dy * x`` over the rows where x <= 0, if needed."""
    dx = np.where(x > 0, dy, alpha * dy)
    if not need_dalpha:
        return dx, None
    return dx, np.where(x > 0, x.dtype.type(0), dy * x).reshape(-1, alpha.size).sum(axis=0)


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
    """``y = 1 / (1 + exp(-x))``, written so that nothing overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, x.dtype.type(1)) / (1 + e)


def sigmoid_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * y * (1 - y)``."""
    return dy * (y * (1 - y))


def softplus(x: Floats) -> Floats:
    """``y = log(1 + exp(x))``, written so that nothing overflows (Dugas et al. 2001)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy * (1 - exp(-y))``."""
    return dy * -np.expm1(-y)
