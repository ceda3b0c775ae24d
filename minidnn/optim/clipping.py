"""Gradient clipping, between ``backward`` and ``step``."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minidnn import kernels
from minidnn.checks import number
from minidnn.reference.types import Array
from minidnn.tensor import Tensor


def clip_by_value(params: Iterable[Tensor], limit: float) -> None:
    """Each element of each gradient is kept within ``[-limit, limit]``.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_value", "limit", limit)
    for gradient in _gradients(params):
        kernels.clip(gradient, -limit, limit)


def clip_by_norm(params: Iterable[Tensor], limit: float) -> None:
    """Each gradient whose l2 norm exceeds the limit is scaled to it: ``grad *= limit / norm``.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_norm", "limit", limit)
    for gradient in _gradients(params):
        norm = math.sqrt(kernels.squared_norm(gradient))
        if norm > limit:
            kernels.scale(gradient, limit / norm)


def clip_by_global_norm(params: Iterable[Tensor], limit: float) -> float:
    """All gradients are scaled by one factor, where the l2 norm of them all exceeds the limit (Pascanu et al. 2013).

    Returns:
        The norm before clipping; where it is not finite, nothing is clipped.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_global_norm", "limit", limit)
    gradients = _gradients(params)
    norm = math.sqrt(sum(kernels.squared_norm(gradient) for gradient in gradients))
    if limit < norm < math.inf:
        for gradient in gradients:
            kernels.scale(gradient, limit / norm)
    return norm


def _gradients(params: Iterable[Tensor]) -> list[Array]:
    """The gradients there are, each one piece of memory that may be written."""
    with_gradient = [param for param in params if param.grad is not None]
    for param in with_gradient:
        param.grad = np.require(param.grad, requirements=["C", "W"])
    return [param.grad for param in with_gradient if param.grad is not None]
