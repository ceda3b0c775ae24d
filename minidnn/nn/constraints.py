"""Constraints on parameters, restored after each step.

Given to a layer as ``kernel_constraint=``, they are applied by the optimizer's step. By hand they are functions of a
parameter: ``nn.max_norm(1.0)(layer.kernel)`` after ``optimizer.step()``.

Any function of a parameter is a constraint: it returns the new values, as those of Keras, or changes the parameter in
place and returns None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minidnn import kernels
from minidnn.recording import no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Constraint = Callable[[Tensor], Any]


def restore(param: Tensor, constraint: Constraint) -> None:
    """Applies a constraint: what it returns, unless that is None, becomes the value of the parameter.

    Raises:
        TypeError: it returned neither None nor numbers in an array or a Tensor.
        ValueError: it returned another shape.
    """
    with no_grad():
        returned = constraint(param)
    if returned is None or returned is param:
        return
    where = f"{owner}_constraint" if (owner := getattr(param, "owner", None)) else "constraint of a parameter"
    wanted = f"must be an array of shape {param.shape}, or None where it changed the parameter in place"
    values = returned.data if isinstance(returned, Tensor) else returned
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise TypeError(f"{where}: returned {values!r}, {wanted}")
    if values.shape != param.shape:
        raise ValueError(f"{where}: returned an array of shape {values.shape}, {wanted}")
    param.data[...] = values
    param.version += 1


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


class masked:
    """``w = 0`` where the mask is 0: weights that were pruned stay so, whatever the optimizer does.

    Another constraint is applied between two maskings, so that a norm is that of the weights that are left, and none
    comes back. In a loop of one's own, before the optimizer is made::

        deploy.prune(model, fraction=0.9)
        for param in model.parameters():
            param.constraint = nn.masked(param.data != 0, param.constraint)

    `training.fit` does so with the callbacks `training.KeepZeros` and `training.Prune`.

    Args:
        mask: of the parameter's shape.
        then: the other constraint, if any.

    Attributes:
        mask: a float32 array of 0 and 1; what is written into it counts from the next step on.
    """

    def __init__(self, mask: Any, then: Constraint | None = None) -> None:
        self.mask: Array = np.not_equal(mask, 0).astype(np.float32)
        self.then = then

    def __repr__(self) -> str:
        left = f"{np.count_nonzero(self.mask)} of {self.mask.size}"
        return f"masked({left}{'' if self.then is None else f', {self.then!r}'})"

    def __call__(self, param: Tensor) -> None:
        kernels.mask_weights(param.data, self.mask)
        if self.then is not None:
            restore(param, self.then)
            kernels.mask_weights(param.data, self.mask)
        param.version += 1
