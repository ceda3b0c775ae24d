"""Gradient clipping, between ``backward`` and ``step``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minidnn import kernels
from minidnn.checks import number
from minidnn.leaves import gradient_of
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_result


def clip_by_value(params: Iterable[Tensor], limit: float) -> None:
    """Each element of each gradient is kept within ``[-limit, limit]``.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_value", "limit", limit)
    for gradient in _gradients(params):
        kernels.clip(gradient, -limit, limit)


def clip_by_norm(params: Iterable[Tensor], limit: float) -> None:
    """Each gradient whose l2 norm is finite and exceeds the limit is scaled to it: ``grad *= limit / norm``.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_norm", "limit", limit)
    for gradient in _gradients(params):
        norm = kernels.global_norm(kernels.squared_norm(gradient))
        kernels.scale(gradient, kernels.clip_factor(norm, limit))


def clip_by_global_norm(params: Iterable[Tensor], limit: float) -> Tensor:
    """All gradients are scaled by one factor, where the l2 norm of them all exceeds the limit (Pascanu et al. 2013).

    Returns:
        The norm before clipping, a tensor without axes (float64); where it is not finite, nothing is clipped.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_global_norm", "limit", limit)
    gradients = _gradients(params)
    norm = kernels.global_norm(*[kernels.squared_norm(gradient) for gradient in gradients])
    factor = kernels.clip_factor(norm, limit)
    for gradient in gradients:
        kernels.scale(gradient, factor)
    return as_result(norm)


def _gradients(params: Iterable[Tensor]) -> list[Array]:
    """The gradients there are, each one piece of memory that may be written."""
    gradients = []
    for param in params:
        gradient = gradient_of(param)
        if gradient is not None:
            if not (isinstance(gradient, np.ndarray) and gradient.flags.c_contiguous and gradient.flags.writeable):
                gradient = param._grad = kernels.copy(gradient)
            gradients.append(gradient)
    return gradients
