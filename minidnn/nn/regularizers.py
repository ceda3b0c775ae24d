"""Penalties on parameters and activations, added to the loss.

A layer takes them as ``kernel_regularizer=``, ``bias_regularizer=`` or ``activity_regularizer=``.
`Module.regularization_loss` returns their sum, which `training.fit` adds to the loss; in your own loop::

    loss = nn.softmax_cross_entropy(model(x), y) + model.regularization_loss()

Any function of a tensor is a regularizer: it returns its penalty, a tensor with one element, or None for no penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minidnn import ops
from minidnn.checks import number
from minidnn.tensor import Tensor

Regularizer = Callable[[Tensor], Tensor | None]


def penalties_of(where: str, regularizer: Regularizer, x: Tensor) -> list[Tensor]:
    """Returns the penalty on x in a list; an empty list if the regularizer returns None.

    Raises:
        TypeError: the regularizer returned neither a Tensor nor None.
        ValueError: it returned a tensor with more than one element.
    """
    penalty: Any = regularizer(x)
    if penalty is None:
        return []
    if not isinstance(penalty, Tensor):
        raise TypeError(f"{where}: returned {penalty!r}, must be a Tensor made by minidnn.ops, or None for no penalty")
    if penalty.size != 1:
        raise ValueError(f"{where}: returned shape {penalty.shape}, must be one number; reduce it with ops.sum")
    return [penalty]


@dataclass(frozen=True)
class l1:
    """``scale * sum(|w|)``: drives weights to zero (Tibshirani 1996).

    Raises:
        ValueError: scale is negative or not finite.
    """

    scale: float

    def __post_init__(self) -> None:
        number("l1", "scale", self.scale)

    def __call__(self, w: Tensor) -> Tensor:
        return ops.l1_l2_penalty(w, self.scale, 0.0)


@dataclass(frozen=True)
class l2:
    """``scale * sum(w**2)``, as in Keras; ``tf.contrib.layers.l2_regularizer`` is half of it.

    Raises:
        ValueError: scale is negative or not finite.
    """

    scale: float

    def __post_init__(self) -> None:
        number("l2", "scale", self.scale)

    def __call__(self, w: Tensor) -> Tensor:
        return ops.l1_l2_penalty(w, 0.0, self.scale)


@dataclass(frozen=True)
class l1_l2:
    """``l1 * sum(|w|) + l2 * sum(w**2)``: the elastic net (Zou & Hastie 2005).

    Raises:
        ValueError: l1 or l2 is negative or not finite.
    """

    l1: float
    l2: float

    def __post_init__(self) -> None:
        number("l1_l2", "l1", self.l1)
        number("l1_l2", "l2", self.l2)

    def __call__(self, w: Tensor) -> Tensor:
        return ops.l1_l2_penalty(w, self.l1, self.l2)
