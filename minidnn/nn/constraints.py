"""Constraints on parameters, restored after each step.

Given to a layer as ``kernel_constraint=``, they are applied by the optimizer's step. By hand they are functions of a
parameter: ``nn.max_norm(1.0)(layer.kernel)`` after ``optimizer.step()``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from minidnn import kernels
from minidnn.tensor import Tensor

Constraint = Callable[[Tensor], None]


@dataclass(frozen=True)
class max_norm:
    """``w *= limit / max(norm, limit)``: the l2 norm along an axis never exceeds the limit (Srivastava et al. 2014).

    Args:
        limit: > 0.
        axis: 0 bounds each column of an (n_in, n_out) kernel, the incoming weights of each unit; 1 each row, which is
            what the notebook's ``tf.clip_by_norm(weights, clip_norm=1.0, axes=1)`` does.

    Raises:
        ValueError: limit is not a positive number, axis neither 0 nor 1.
    """

    limit: float
    axis: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise ValueError(f"max_norm: limit must be a finite number > 0, got {self.limit}")
        if self.axis not in (0, 1):
            raise ValueError(f"max_norm: axis must be 0 or 1, got {self.axis}")

    def __call__(self, param: Tensor) -> None:
        kernels.max_norm(param.data, self.limit, self.axis)
        param.version += 1


@dataclass(frozen=True)
class unit_norm:
    """``w /= norm`` along an axis, as in `max_norm`; what is all zero stays so.

    Raises:
        ValueError: axis neither 0 nor 1.
    """

    axis: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if self.axis not in (0, 1):
            raise ValueError(f"unit_norm: axis must be 0 or 1, got {self.axis}")

    def __call__(self, param: Tensor) -> None:
        kernels.unit_norm(param.data, self.axis)
        param.version += 1


@dataclass(frozen=True)
class non_neg:
    """``w = max(w, 0)``."""

    def __call__(self, param: Tensor) -> None:
        kernels.clip(param.data, 0.0, math.inf)
        param.version += 1
