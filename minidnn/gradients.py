"""Checks gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidnn.recording import no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor


class GradientError(AssertionError):
    """Backward and central differences disagree; the message names the input and the index."""


def gradcheck(
    f: Callable[..., Tensor], inputs: Sequence[Any], eps: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-7
) -> bool:
    """Checks the backward pass of f against central differences, in float64, for every element of every input.

    The output y is projected on fixed random weights, ``s = sum(weights * y)``, and
    ``ds/dx = (s(x + eps) - s(x - eps)) / (2 * eps)`` is compared with the gradient of ``s.backward()``. The
    difference has a truncation error of order ``eps**2`` and a rounding error of order ``1e-16 / eps``, both far below
    the tolerances for a smooth f.

    Args:
        f: takes one Tensor per input and returns a Tensor; must be deterministic (fix its ``rng``).
        inputs: arrays or Tensors of floating dtype, used as float64. Keep away from kinks such as relu's at 0.
        eps: the step of the differences.
        rtol, atol: fails where ``|analytic - numeric| > atol + rtol * max(|analytic|, |numeric|)``.

    Returns:
        True if they agree.

    Raises:
        GradientError: they disagree, or an input has no gradient. The message names the input, the index and both
            numbers.
        TypeError: the dtype of an input is not floating.
    """
    tensors = [_float64(i, x) for i, x in enumerate(inputs)]
    y = f(*tensors)
    weights = np.random.default_rng(0).normal(size=y.shape)
    y.backward(weights)
    analytic = [tensor.grad for tensor in tensors]

    def projection() -> float:
        with no_grad():
            return float(np.sum(weights * f(*tensors).data))

    for i, tensor in enumerate(tensors):
        gradient = analytic[i]
        if gradient is None:
            raise GradientError(f"gradcheck: input {i} has no gradient: f does not depend on it")
        if gradient.shape != tensor.shape:
            raise GradientError(f"gradcheck: input {i} has shape {tensor.shape}, its gradient {gradient.shape}")
        for index in np.ndindex(tensor.shape):
            given = float(gradient[index])
            numeric = _difference(projection, tensor.data, index, eps)
            if not abs(given - numeric) <= atol + rtol * max(abs(given), abs(numeric)):
                raise GradientError(
                    f"gradcheck: input {i} at {index}: backward gives {given:.9g}, central differences {numeric:.9g}"
                )
    return True


def _float64(i: int, x: Any) -> Tensor:
    array = np.array(x.data if isinstance(x, Tensor) else x)
    if array.dtype.kind != "f":
        raise TypeError(f"gradcheck: input {i} must be floating-point, got {array.dtype}")
    return Tensor(array.astype(np.float64), requires_grad=True)


def _difference(s: Callable[[], float], x: Array, index: tuple[int, ...], eps: float) -> float:
    before = x[index]
    x[index] = before + eps
    above = s()
    x[index] = before - eps
    below = s()
    x[index] = before
    return (above - below) / (2 * eps)
