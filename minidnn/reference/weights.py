"""Norms, penalties and constraints of weights; functions that return None work in place."""

from __future__ import annotations

import math

import numpy as np

from minidnn.reference.types import Array, Changed, Floats, Real


def squared_norm(x: Floats) -> Array:
    """``sum(x**2)``, in float64; an array without axes."""
    return np.asarray(np.square(x, dtype=np.float64).sum())


def global_norm(*squares: Array) -> Array:
    """The square root of the sum of results of `squared_norm`, in order; a float64 array without axes."""
    return np.asarray(math.sqrt(sum(square.item() for square in squares)))


class NonFiniteGradient(FloatingPointError):
    """A gradient has NaN or infinite values."""


def check_gradients(*squares: Array) -> None:
    """Raises NonFiniteGradient if a result of `squared_norm` or `global_norm` is NaN or infinite."""
    if not all(math.isfinite(square.item()) for square in squares):
        raise NonFiniteGradient("check_gradients: a gradient has values that are not finite; nothing was updated")


def clip_factor(norm: Array, limit: float) -> Array:
    """``limit / norm`` where the norm exceeds the limit and is finite, else 1; a float64 array without axes."""
    return np.asarray(limit / norm.item() if limit < norm.item() < math.inf else 1.0)


def trusted_rate(
    param_square: Array, update_square: Array, *, lr: float, coefficient: float, weight_decay: float, eps: float
) -> Array:
    """``lr * coefficient * |param| / (|update| + weight_decay * |param| + eps)``; lr where a norm is 0.

    The layer-wise rate of LARS and LAMB (You et al. 2017), from results of `squared_norm`; float64 without axes.
    """
    size, change = math.sqrt(param_square.item()), math.sqrt(update_square.item())
    if not (size > 0 and change > 0):
        return np.asarray(float(lr))
    return np.asarray(lr * coefficient * size / (change + weight_decay * size + eps))


def adafactor_rate(
    param_square: Array, direction_square: Array, *, lr: float, count: float, scale: float, d: float, step: float
) -> Array:
    """``max(rms(param), scale) * min(lr, 1 / sqrt(step)) / max(rms(direction) / d, 1)`` (Shazeer & Stern 2018).

    From results of `squared_norm` over ``count`` elements each; a float64 array without axes.
    """
    size, length = math.sqrt(param_square.item() / count), math.sqrt(direction_square.item() / count) / d
    rate = min(lr, 1 / math.sqrt(step))
    return np.asarray((size if size > scale else scale) * rate / (length if length > 1 else 1.0))


def l1_l2_penalty(w: Floats, l1: float, l2: float) -> Floats:
    """``l1 * sum(|w|) + l2 * sum(w**2)``, summed in float64; an array without axes."""
    return np.asarray(l1 * float(np.abs(w, dtype=np.float64).sum()) + l2 * squared_norm(w).item(), dtype=w.dtype)


def l1_l2_gradient(w: Floats, dy: Floats, l1: float, l2: float) -> Floats:
    """``dw = dy * l1 * sign(w) + 2 * dy * l2 * w``; dy has one element."""
    x, factor = w.dtype.type, float(dy.reshape(()))
    sign = np.where(w > 0, x(1), np.where(w < 0, x(-1), x(0)))
    return x(factor * l1) * sign + x(factor * 2 * l2) * w


def scale(x: Changed, factor: Real) -> None:
    """``x *= factor``; a factor of 1 does not change x."""
    x *= x.dtype.type(factor)


def clip(x: Changed, low: float, high: float) -> None:
    """``x = min(max(x, low), high)``; NaN stays NaN."""
    least, most = x.dtype.type(low), x.dtype.type(high)
    x[...] = np.where(x < least, least, np.where(x > most, most, x))


def mask_weights(w: Changed, mask: Floats) -> None:
    """``w = 0`` where mask is 0."""
    if w.shape != mask.shape:
        raise ValueError(f"mask_weights: w has shape {w.shape}, mask has {mask.shape}: they must be the same")
    w[mask == 0] = 0


def max_norm(w: Changed, limit: float, axis: int) -> None:
    """``w *= limit / max(norm, limit)`` with the l2 norm along the axis (Srivastava et al. 2014)."""
    most = w.dtype.type(limit)
    w *= most / np.maximum(np.sqrt((w * w).sum(axis=axis, keepdims=True)), most)


def unit_norm(w: Changed, axis: int) -> None:
    """``w /= norm`` with the l2 norm along the axis; a column or row of zeros is unchanged."""
    squares = (w * w).sum(axis=axis, keepdims=True)
    w *= 1 / np.sqrt(np.where(squares > 0, squares, w.dtype.type(1)))
