"""Batch normalization (per column) and layer normalization (per row); variances are divided by n."""

from __future__ import annotations

import numpy as np

from minidnn.reference.types import Floats


def batch_norm(x: Floats, gamma: Floats, beta: Floats, eps: float) -> tuple[Floats, Floats, Floats]:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta`` over the batch; y, mean, var (Ioffe & Szegedy 2015)."""
    mean, var = _statistics(x, 0)
    return batch_norm_eval(x, gamma, beta, mean, var, eps), mean, var


def batch_norm_eval(x: Floats, gamma: Floats, beta: Floats, mean: Floats, var: Floats, eps: float) -> Floats:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta`` with given statistics."""
    return gamma * ((x - mean) * _inverse_deviation(var, eps)) + beta


def batch_norm_backward(
    dy: Floats, x: Floats, gamma: Floats, mean: Floats, var: Floats, eps: float
) -> tuple[Floats, Floats, Floats]:
    """dx, dgamma and dbeta if mean and var are those of x; with ``x^`` the normalized x::

    dx = gamma / sqrt(var + eps) * (dy - mean(dy) - x^ * mean(dy * x^));  dgamma = sum(dy * x^);  dbeta = sum(dy)
    """
    r = _inverse_deviation(var, eps)
    normal = (x - mean) * r
    dgamma, dbeta = (dy * normal).sum(axis=0), dy.sum(axis=0)
    return gamma * r * (dy - dbeta / len(x) - normal * (dgamma / len(x))), dgamma, dbeta


def batch_norm_eval_backward(
    dy: Floats, x: Floats, gamma: Floats, mean: Floats, var: Floats, eps: float
) -> tuple[Floats, Floats, Floats]:
    """dx, dgamma and dbeta if mean and var are constants: ``dx = gamma / sqrt(var + eps) * dy``."""
    r = _inverse_deviation(var, eps)
    return gamma * r * dy, (dy * ((x - mean) * r)).sum(axis=0), dy.sum(axis=0)


def layer_norm(x: Floats, gamma: Floats, beta: Floats, eps: float) -> tuple[Floats, Floats, Floats]:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta`` along each row; y, mean, var (Ba et al. 2016)."""
    mean, var = _statistics(x, 1)
    y = gamma * ((x - mean[:, np.newaxis]) * _inverse_deviation(var, eps)[:, np.newaxis]) + beta
    return y, mean, var


def layer_norm_backward(
    dy: Floats, x: Floats, gamma: Floats, mean: Floats, var: Floats, eps: float, need_dgamma: bool
) -> tuple[Floats, Floats | None, Floats | None]:
    """dx, and if needed dgamma and dbeta; with ``g = gamma * dy`` and ``x^`` the normalized x::

    dx = (g - mean(g) - x^ * mean(g * x^)) / sqrt(var + eps) along each row
    """
    r = _inverse_deviation(var, eps)[:, np.newaxis]
    normal, g = (x - mean[:, np.newaxis]) * r, gamma * dy
    inner = (g * normal).mean(axis=1, keepdims=True)
    dx = r * (g - g.mean(axis=1, keepdims=True) - normal * inner)
    return (dx, (dy * normal).sum(axis=0), dy.sum(axis=0)) if need_dgamma else (dx, None, None)


def _statistics(x: Floats, axis: int) -> tuple[Floats, Floats]:
    """Mean and variance, ``mean((x - m)**2) - mean(x - m)**2`` about a rounded mean m (Chan, Golub & LeVeque 1983).

    m is computed from the differences to the first element, so that deviations far smaller than the mean stay accurate.
    """
    start = x.take(0, axis=axis)
    first = start + (x - np.expand_dims(start, axis)).mean(axis=axis)
    centred = x - np.expand_dims(first, axis)
    rest, squares = centred.mean(axis=axis), np.square(centred).mean(axis=axis)
    var = np.where(np.isfinite(squares), np.maximum(squares - rest * rest, 0), squares)
    return np.where(np.isnan(rest), first, first + rest), var


def _inverse_deviation(var: Floats, eps: float) -> Floats:
    return 1 / np.sqrt(var + var.dtype.type(eps))
