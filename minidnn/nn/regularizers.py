"""Penalties on parameters and activations, added to the loss.

Given to a layer as ``kernel_regularizer=``, ``bias_regularizer=`` or ``activity_regularizer=``;
`Module.regularization_loss` adds them up and `training.fit` adds that to the loss. A loop of one's own does so itself::

    loss = nn.softmax_cross_entropy(model(x), y) + model.regularization_loss()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minidnn import ops
from minidnn.checks import number
from minidnn.tensor import Tensor

Regularizer = Callable[[Tensor], Tensor]


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
    """``scale * sum(w**2)``, as Keras; ``tf.contrib.layers.l2_regularizer`` halves it.

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
