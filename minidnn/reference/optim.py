"""Optimizer updates, in place. csrc/kernels/optim.hpp has the same formulas in C++.

``x(value)`` rounds a scalar once to the parameter's dtype; combinations of scalars (``1 - beta``, bias corrections) are
computed in float64 first. ``step`` counts from 1. Decaying slots go through `fade`, ``keep * slot``, which sets
denormal numbers to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minidnn.reference.types import Array, Changed, Floats


def fade(keep: float, slot: Floats) -> Array:
    """``keep * slot``, or 0 where its magnitude is below the smallest normal number.

    Otherwise the slot of a weight whose gradient stays 0 would remain denormal, because rounding stops its decay.
    """
    faded = slot.dtype.type(keep) * slot
    return np.where(np.abs(faded) < np.finfo(faded.dtype).tiny, faded.dtype.type(0), faded)


def sgd_step(param: Changed, grad: Floats, *, lr: float) -> None:
    """``param -= lr * grad``."""
    x = param.dtype.type
    param -= x(lr) * grad


def momentum_step(param: Changed, grad: Floats, velocity: Changed, *, lr: float, momentum: float) -> None:
    """``velocity = momentum * velocity + grad; param -= lr * velocity`` (Polyak 1964)."""
    x = param.dtype.type
    velocity[...] = fade(momentum, velocity) + grad
    param -= x(lr) * velocity


def nesterov_step(param: Changed, grad: Floats, velocity: Changed, *, lr: float, momentum: float) -> None:
    """``velocity = momentum * velocity + grad; param -= lr * (grad + momentum * velocity)`` (Sutskever et al. 2013)."""
    x = param.dtype.type
    velocity[...] = fade(momentum, velocity) + grad
    param -= x(lr) * (grad + x(momentum) * velocity)


def adagrad_step(param: Changed, grad: Floats, accumulator: Changed, *, lr: float, eps: float) -> None:
    """``accumulator += grad**2; param -= lr * grad / sqrt(accumulator + eps)`` (Duchi et al. 2011)."""
    x = param.dtype.type
    accumulator += grad * grad
    param -= x(lr) * grad / np.sqrt(accumulator + x(eps))


def rmsprop_step(param: Changed, grad: Floats, s: Changed, *, lr: float, decay: float, eps: float) -> None:
    """``s = decay * s + (1 - decay) * grad**2; param -= lr * grad / sqrt(s + eps)`` (Tieleman & Hinton 2012)."""
    x = param.dtype.type
    s[...] = fade(decay, s) + x(1 - decay) * (grad * grad)
    param -= x(lr) * grad / np.sqrt(s + x(eps))


def rmsprop_momentum_step(
    param: Changed, grad: Floats, s: Changed, mom: Changed, *, lr: float, decay: float, momentum: float, eps: float
) -> None:
    """`rmsprop_step` with ``mom = momentum * mom + lr * grad / sqrt(s + eps); param -= mom``, as TensorFlow."""
    x = param.dtype.type
    s[...] = fade(decay, s) + x(1 - decay) * (grad * grad)
    mom[...] = fade(momentum, mom) + x(lr) * grad / np.sqrt(s + x(eps))
    param -= mom


def rmsprop_centered_step(
    param: Changed,
    grad: Floats,
    s: Changed,
    mom: Changed,
    mean: Changed,
    *,
    lr: float,
    decay: float,
    momentum: float,
    eps: float,
) -> None:
    """`rmsprop_momentum_step` with ``max(s - mean**2, 0)``, the gradient's variance, instead of s (Graves 2013)."""
    x = param.dtype.type
    s[...] = fade(decay, s) + x(1 - decay) * (grad * grad)
    mean[...] = fade(decay, mean) + x(1 - decay) * grad
    variance = s - mean * mean
    mom[...] = fade(momentum, mom) + x(lr) * grad / np.sqrt(np.where(variance < 0, x(0), variance) + x(eps))
    param -= mom


def _rate(lr: float, beta1: float, step: float) -> float:
    """The rate with the bias correction of m: ``lr / (1 - beta1**step)``."""
    return lr / (1 - beta1**step)


def _root(beta2: float, step: float) -> float:
    """The bias correction of sqrt(v): ``1 / sqrt(1 - beta2**step)``."""
    return 1 / math.sqrt(1 - beta2**step)


def _moments(grad: Floats, m: Floats, v: Floats, beta1: float, beta2: float) -> None:
    """``m = beta1 * m + (1 - beta1) * grad; v = beta2 * v + (1 - beta2) * grad**2``."""
    x = m.dtype.type
    m[...] = fade(beta1, m) + x(1 - beta1) * grad
    v[...] = fade(beta2, v) + x(1 - beta2) * (grad * grad)


def adam_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    v: Changed,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: float,
) -> None:
    """``param -= rate * m / (sqrt(v) * root + eps)``: Adam (Kingma & Ba 2015)."""
    x = param.dtype.type
    _moments(grad, m, v, beta1, beta2)
    param -= x(_rate(lr, beta1, step)) * m / (np.sqrt(v) * x(_root(beta2, step)) + x(eps))


def amsgrad_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    v: Changed,
    v_max: Changed,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: float,
) -> None:
    """`adam_step` with the largest v so far in place of v (Reddi et al. 2018), bias-corrected as PyTorch does."""
    x = param.dtype.type
    _moments(grad, m, v, beta1, beta2)
    v_max[...] = np.where(v > v_max, v, v_max)
    param -= x(_rate(lr, beta1, step)) * m / (np.sqrt(v_max) * x(_root(beta2, step)) + x(eps))


def adamw_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    v: Changed,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    step: float,
) -> None:
    """`adam_step` on ``param * (1 - lr * weight_decay)``: decoupled decay (Loshchilov & Hutter 2019)."""
    x = param.dtype.type
    _moments(grad, m, v, beta1, beta2)
    update = x(_rate(lr, beta1, step)) * m / (np.sqrt(v) * x(_root(beta2, step)) + x(eps))
    param[...] = x(1 - lr * weight_decay) * param - update


def nadam_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    v: Changed,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: float,
) -> None:
    """``param -= (m_rate * m + grad_rate * grad) / (sqrt(v) * root + eps)``: Nesterov's Adam (Dozat 2016)."""
    x = param.dtype.type
    _moments(grad, m, v, beta1, beta2)
    m_rate, grad_rate = x(beta1 * _rate(lr, beta1, step + 1)), x((1 - beta1) * _rate(lr, beta1, step))
    param -= (m_rate * m + grad_rate * grad) / (np.sqrt(v) * x(_root(beta2, step)) + x(eps))


def adamax_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    u: Changed,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: float,
) -> None:
    """``u = max(beta2 * u, |grad|); param -= rate * m / (u + eps)``: Adam's infinity norm (Kingma & Ba 2015)."""
    x = param.dtype.type
    m[...] = fade(beta1, m) + x(1 - beta1) * grad
    size, decayed = np.where(grad < 0, -grad, grad), fade(beta2, u)
    u[...] = np.where(decayed > size, decayed, size)
    param -= x(_rate(lr, beta1, step)) * m / (u + x(eps))


def adadelta_step(
    param: Changed, grad: Floats, s: Changed, delta: Changed, *, lr: float, rho: float, eps: float
) -> None:
    """``step = sqrt(delta + eps) / sqrt(s + eps) * grad; param -= lr * step`` (Zeiler 2012).

    s and delta are the decaying means of grad**2 and step**2.
    """
    x = param.dtype.type
    s[...] = fade(rho, s) + x(1 - rho) * (grad * grad)
    step = np.sqrt(delta + x(eps)) / np.sqrt(s + x(eps)) * grad
    delta[...] = fade(rho, delta) + x(1 - rho) * (step * step)
    param -= x(lr) * step


def lion_step(
    param: Changed, grad: Floats, m: Changed, *, lr: float, beta1: float, beta2: float, weight_decay: float
) -> None:
    """``param = (1 - lr * weight_decay) * param - lr * sign(beta1 * m + (1 - beta1) * grad)`` (Chen et al. 2023).

    Then ``m = beta2 * m + (1 - beta2) * grad``.
    """
    x = param.dtype.type
    direction = x(beta1) * m + x(1 - beta1) * grad
    sign = np.where(direction > 0, x(1), np.where(direction < 0, x(-1), x(0)))
    param[...] = x(1 - lr * weight_decay) * param - x(lr) * sign
    m[...] = fade(beta2, m) + x(1 - beta2) * grad


def ftrl_step(
    param: Changed,
    grad: Floats,
    accumulator: Changed,
    linear: Changed,
    *,
    lr: float,
    lr_power: float,
    l1: float,
    l2: float,
    l2_shrinkage: float,
    beta: float,
) -> None:
    """``param = (sign(linear) * l1 - linear) / ((p + beta) / lr + 2 * l2)`` where ``|linear| > l1``, else exactly 0.

    FTRL-Proximal (McMahan et al. 2013) as TensorFlow has it. With ``p(a) = a ** -lr_power``, first
    ``linear += grad + 2 * l2_shrinkage * param - (p(accumulator + grad**2) - p(accumulator)) / lr * param``,
    then ``accumulator += grad**2``. With ``lr == 0``, which would divide by 0, nothing changes.
    """
    if lr == 0:
        return
    x, power = param.dtype.type, _power(lr_power)
    total = accumulator + grad * grad
    root = power(total)
    linear += (grad + x(2 * l2_shrinkage) * param) - (root - power(accumulator)) / x(lr) * param
    accumulator[...] = total
    pull = np.where(linear > 0, x(l1) - linear, -x(l1) - linear)
    size = np.where(linear < 0, -linear, linear)
    param[...] = np.where(size > x(l1), pull / (root / x(lr) + x(2 * l2 + beta / lr)), x(0))


def adagrad_da_step(
    param: Changed,
    grad: Floats,
    gradient_sum: Changed,
    accumulator: Changed,
    *,
    lr: float,
    l1: float,
    l2: float,
    step: float,
) -> None:
    """``param = lr * (sign(s) * l1 * step - s) / (sqrt(accumulator) + l2 * step * lr)``: dual averaging.

    This holds where ``|s| > l1 * step``, else param is exactly 0. s is gradient_sum. First ``gradient_sum += grad`` and
    ``accumulator += grad**2`` (Duchi et al. 2011, with TensorFlow's l1 and l2). With ``lr == 0`` nothing changes.
    """
    if lr == 0:
        return
    x = param.dtype.type
    l1_by_now, l2_by_now = x(l1 * step), x(l2 * step * lr)
    gradient_sum += grad
    accumulator += grad * grad
    pull = np.where(gradient_sum > 0, l1_by_now - gradient_sum, -l1_by_now - gradient_sum)
    size = np.where(gradient_sum < 0, -gradient_sum, gradient_sum)
    param[...] = np.where(size > l1_by_now, x(lr) * pull / (np.sqrt(accumulator) + l2_by_now), x(0))


def radam_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    v: Changed,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: float,
) -> None:
    """``param -= rate * m / (sqrt(v) * root + floor)``: Adam with a rectified rate (Liu et al. 2020).

    Until the variance of the rate is tractable, the step is one of momentum: rate ``lr / (1 - beta1**step)``, root 0,
    floor 1.
    """
    x = param.dtype.type
    _moments(grad, m, v, beta1, beta2)
    rate, root, floor = _rectified(lr, beta1, beta2, eps, step)
    param -= x(rate) * m / (np.sqrt(v) * x(root) + x(floor))


def _rectified(lr: float, beta1: float, beta2: float, eps: float, step: float) -> tuple[float, float, float]:
    """The rate, the factor of sqrt(v), and the number that is added to it."""
    most, decayed = 2 / (1 - beta2) - 1, beta2**step
    length, rate = most - 2 * step * decayed / (1 - decayed), _rate(lr, beta1, step)
    if not length > 5:
        return rate, 0.0, 1.0
    known = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
    return rate * known * math.sqrt(1 - decayed), 1.0, eps


def lars_step(
    param: Changed, grad: Floats, velocity: Changed, *, lr: float, momentum: float, weight_decay: float
) -> None:
    """``velocity = momentum * velocity + lr * (grad + weight_decay * param); param -= velocity`` (You et al. 2017).

    lr is the result of `trusted_rate`.
    """
    x = param.dtype.type
    velocity[...] = fade(momentum, velocity) + x(lr) * (grad + x(weight_decay) * param)
    param -= velocity


def lamb_step(
    param: Changed,
    grad: Floats,
    m: Changed,
    v: Changed,
    direction: Changed,
    *,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    step: float,
) -> None:
    """``direction = correction * m / (sqrt(v) * root + eps) + weight_decay * param`` (You et al. 2020).

    param is not changed: `sgd_step` applies the direction, with the rate of `trusted_rate`.
    """
    x = param.dtype.type
    _moments(grad, m, v, beta1, beta2)
    adam = x(_rate(1, beta1, step)) * m / (np.sqrt(v) * x(_root(beta2, step)) + x(eps))
    direction[...] = adam + x(weight_decay) * param


def adafactor_step(param: Changed, grad: Floats, *, lr: float, rate: float, weight_decay: float) -> None:
    """``param = (1 - lr * weight_decay) * param - rate * grad``: Adafactor (Shazeer & Stern 2018).

    grad is the direction of `adafactor_direction_step`, rate the result of `adafactor_rate`.
    """
    x = param.dtype.type
    param[...] = x(1 - lr * weight_decay) * param - x(rate) * grad


def adafactor_mean_step(param: Changed, grad: Floats, *, beta2_decay: float, count: float, step: float) -> None:
    """``param = (1 - step**beta2_decay) * param + step**beta2_decay / count * grad``.

    A moving mean whose decay approaches 1; grad is a sum of ``count`` squares.
    """
    x, rest = param.dtype.type, step**beta2_decay
    param[...] = fade(1 - rest, param) + x(rest / count) * grad


def adafactor_direction_step(param: Changed, grad: Floats, *, eps: float) -> None:
    """``param = param / max(sqrt(grad), eps)``, where param is the gradient and grad its mean square."""
    x, root = param.dtype.type, np.sqrt(grad)
    param /= np.where(root < x(eps), x(eps), root)


def _power(lr_power: float) -> Callable[[Floats], Array]:
    if lr_power == -0.5:
        return np.sqrt
    if lr_power == 0:
        return np.ones_like
    return lambda a: np.power(a, a.dtype.type(-lr_power))
