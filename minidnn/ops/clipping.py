"""Values whose norm is bounded."""

from __future__ import annotations

from minidnn.checks import number
from minidnn.ops.arithmetic import maximum, sqrt
from minidnn.ops.reductions import sum
from minidnn.tensor import Tensor


def clip_by_norm(x: Tensor, limit: float, axes: int | tuple[int, ...] | None = None) -> Tensor:
    """``y = x * limit / max(norm, limit)`` with the l2 norm along the axes, by default of all of x.

    ``tf.clip_by_norm``; with the chapter's weights, ``kernel_constraint=lambda w: ops.clip_by_norm(w, 1.0, axes=1)``
    does what ``nn.max_norm(1.0, axis=1)`` does. What is within the limit stays as it is, bit for bit.

    Args:
        x: any shape.
        limit: > 0 and finite.
        axes: along which a norm is taken, such as 1 for each row of a matrix.

    Raises:
        TypeError, ValueError: limit is not a positive, finite number; there is no such axis.
    """
    if number("clip_by_norm", "limit", limit) == 0:
        raise ValueError("clip_by_norm: limit is 0, must be above 0")
    most = x.dtype.type(limit)
    # The root of a square, both rounded, is the number itself; and the maximum keeps the root's gradient finite.
    norm = sqrt(maximum(sum(x * x, axis=axes, keepdims=True), float(most * most)))
    return x * (float(most) / norm)
