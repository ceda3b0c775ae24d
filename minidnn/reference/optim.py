"""Optimizer updates, in place. csrc/kernels/optim.hpp holds the same lines in C++.

Hyperparameters are rounded once to the parameter's type, as the compiled kernels receive them.
"""

from __future__ import annotations

from minidnn.reference.types import Floats


def sgd_step(param: Floats, grad: Floats, *, lr: float) -> None:
    """``param -= lr * grad``."""
    param -= param.dtype.type(lr) * grad


def momentum_step(param: Floats, grad: Floats, velocity: Floats, *, lr: float, momentum: float) -> None:
    """``velocity = momentum * velocity + grad; param -= lr * velocity`` (Polyak 1964)."""
    velocity[...] = param.dtype.type(momentum) * velocity + grad
    param -= param.dtype.type(lr) * velocity


def nesterov_step(param: Floats, grad: Floats, velocity: Floats, *, lr: float, momentum: float) -> None:
    """``velocity = momentum * velocity + grad; param -= lr * (grad + momentum * velocity)`` (Sutskever et al. 2013)."""
    mu = param.dtype.type(momentum)
    velocity[...] = mu * velocity + grad
    param -= param.dtype.type(lr) * (grad + mu * velocity)
