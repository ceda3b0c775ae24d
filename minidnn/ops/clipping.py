"""Clipping by norm."""

from __future__ import annotations

from minidnn.checks import number
from minidnn.ops.arithmetic import maximum, sqrt
from minidnn.ops.reductions import sum
from minidnn.tensor import Tensor


def clip_by_norm(x: Tensor, limit: float, axes: int | tuple[int, ...] | None = None) -> Tensor:
    """``y = x * limit / max(norm, limit)`` with the l2 norm over the axes, by default over all of x.

    The same as ``tf.clip_by_norm``. As a constraint, ``kernel_constraint=lambda w: ops.clip_by_norm(w, 1.0, axes=1)``
    does what ``nn.max_norm(1.0, axis=1)`` does. Values within the limit are unchanged, bit for bit.

    Args:
        x: any shape.
        limit: > 0 and finite.
        axes: the axes of a norm, such as 1 for the norm of each row of a matrix.

    Raises:
        TypeError: limit is not a number.
        ValueError: limit is not positive and finite; x has no such axis.
    """
    if number("clip_by_norm", "limit", limit) == 0:
        raise ValueError("clip_by_norm: limit is 0, must be above 0")
    most = x.dtype.type(limit)
    # In float arithmetic sqrt(limit * limit) == limit. The maximum keeps the gradient of the root finite.
    norm = sqrt(maximum(sum(x * x, axis=axes, keepdims=True), float(most * most)))
    return x * (float(most) / norm)
