"""Constraints on parameters, applied after each step.

The optimizer's step applies the constraint that a layer got as ``kernel_constraint=``. A constraint can also be called
by hand: ``nn.max_norm(1.0)(layer.kernel)`` after ``optimizer.step()``.

Any function of a parameter is a constraint: it returns the new values, as in Keras, or changes the parameter in place
and returns None.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minidnn import kernels
from minidnn.handle import as_array
from minidnn.leaves import held
from minidnn.recording import no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Constraint = Callable[[Tensor], Any]


def restore(param: Tensor, constraint: Constraint) -> None:
    """Applies a constraint. Unless it returns None, its result becomes the value of the parameter.

    Raises:
        TypeError: the constraint returned neither None nor an array or Tensor of numbers.
        ValueError: the shape of its result is not that of the parameter.
    """
    with no_grad():
        returned = constraint(param)
    if returned is None or returned is param:
        return
    where = f"{owner}_constraint" if (owner := getattr(param, "owner", None)) else "constraint of a parameter"
    wanted = f"must be an array of shape {param.shape}, or None if it changed the parameter in place"
    values = as_array(returned)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise TypeError(f"{where}: returned {values!r}, {wanted}")
    if values.shape != param.shape:
        raise ValueError(f"{where}: returned an array of shape {values.shape}, {wanted}")
    kernels.assign(held(param), values)
    param.version += 1


@dataclass(frozen=True)
class max_norm:
    """``w *= limit / max(norm, limit)``: the l2 norm along an axis never exceeds the limit (Srivastava et al. 2014).

    Args:
        limit: > 0.
        axis: 0 limits each column of an (n_in, n_out) kernel, the incoming weights of one unit; 1 limits each row, as
            ``tf.clip_by_norm(weights, clip_norm=1.0, axes=1)`` does.

    Raises:
        ValueError: limit is not positive and finite, or axis is neither 0 nor 1.
    """

    limit: float
    axis: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise ValueError(f"max_norm: limit must be a finite number > 0, got {self.limit}")
        if self.axis not in (0, 1):
            raise ValueError(f"max_norm: axis must be 0 or 1, got {self.axis}")

    def __call__(self, param: Tensor) -> None:
        kernels.max_norm(held(param), self.limit, self.axis)
        param.version += 1


@dataclass(frozen=True)
class unit_norm:
    """``w /= norm`` along an axis, as in `max_norm`; a column or row of zeros is unchanged.

    Raises:
        ValueError: axis is neither 0 nor 1.
    """

    axis: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if self.axis not in (0, 1):
            raise ValueError(f"unit_norm: axis must be 0 or 1, got {self.axis}")

    def __call__(self, param: Tensor) -> None:
        kernels.unit_norm(held(param), self.axis)
        param.version += 1


@dataclass(frozen=True)
class non_neg:
    """``w = max(w, 0)``."""

    def __call__(self, param: Tensor) -> None:
        kernels.clip(held(param), 0.0, math.inf)
        param.version += 1


class masked:
    """``w = 0`` where the mask is 0: pruned weights stay 0 after every step of the optimizer.

    The mask is applied before and after another constraint, so that a norm counts only the remaining weights and the
    constraint cannot restore a pruned one. In your own loop, before the optimizer is created::

        deploy.prune(model, fraction=0.9)
        for param in model.parameters():
            param.constraint = nn.masked(param.data != 0, param.constraint)

    `training.fit` does this with the callbacks `training.KeepZeros` and `training.Prune`.

    Args:
        mask: of the parameter's shape.
        then: the other constraint, or None.

    Attributes:
        mask: a float32 array of 0 and 1; changes in place take effect at the next step.
    """

    def __init__(self, mask: Any, then: Constraint | None = None) -> None:
        self.mask: Array = np.not_equal(mask, 0).astype(np.float32)
        self.then = then

    def __repr__(self) -> str:
        left = f"{np.count_nonzero(self.mask)} of {self.mask.size}"
        return f"masked({left}{'' if self.then is None else f', {self.then!r}'})"

    def __call__(self, param: Tensor) -> None:
        mask = kernels.known(self.mask, "mask")
        kernels.mask_weights(held(param), mask)
        if self.then is not None:
            restore(param, self.then)
            kernels.mask_weights(held(param), mask)
        param.version += 1
