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
    """Clips each element of each gradient to ``[-limit, limit]``, in place.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_value", "limit", limit)
    for gradient in _gradients(params):
        kernels.clip(gradient, -limit, limit)


def clip_by_norm(params: Iterable[Tensor], limit: float) -> None:
    """Scales each gradient whose l2 norm is finite and exceeds the limit: ``grad *= limit / norm``, in place.

    Raises:
        ValueError: limit is negative or not finite.
    """
    limit = number("clip_by_norm", "limit", limit)
    for gradient in _gradients(params):
        norm = kernels.global_norm(kernels.squared_norm(gradient))
        kernels.scale(gradient, kernels.clip_factor(norm, limit))


def clip_by_global_norm(params: Iterable[Tensor], limit: float) -> Tensor:
    """Scales all gradients by ``min(1, limit / norm)``, norm: their common l2 norm (Pascanu et al. 2013); in place.

    Returns:
        The norm before clipping, a tensor without axes (float64); if it is not finite, nothing is clipped.

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
    """The existing gradients, each contiguous and writeable."""
    gradients = []
    for param in params:
        gradient = gradient_of(param)
        if gradient is not None:
            if not (isinstance(gradient, np.ndarray) and gradient.flags.c_contiguous and gradient.flags.writeable):
                gradient = param._grad = kernels.copy(gradient)
            gradients.append(gradient)
    return gradients
