"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.optimizer import Optimizer, Params, Rate, Track
from minidnn.reference.types import Array


class SGD(Optimizer):
    """Stochastic gradient descent::

        param -= lr * grad                                    momentum = 0
        velocity = momentum * velocity + grad
        param -= lr * velocity                                (Polyak 1964)
        param -= lr * (grad + momentum * velocity)            nesterov=True (Sutskever et al. 2013)

    This is momentum as TensorFlow and PyTorch define it. The textbook's form, ``m = beta * m + lr * grad;
    param -= m``, gives the same steps while lr is constant. When lr changes, there the old steps keep the old rate
    (they have it within m), while here the new rate applies to the whole velocity at once.

    Under a constant gradient the velocity tends to ``grad / (1 - momentum)``: ten times plain descent for 0.9.

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: a number >= 0 or a schedule.
        momentum: in [0, 1).
        nesterov: look ahead; needs a momentum > 0.
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; momentum out of range; nesterov without momentum.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self._has_velocity = momentum != 0
        self._step = kernels.update("nesterov" if nesterov else "momentum")
        if nesterov and not self._has_velocity:
            raise ValueError("SGD: nesterov needs a momentum > 0, got 0")
        super().__init__(
            params,
            lr,
            {"velocity": 0.0} if self._has_velocity else {},
            {"momentum": momentum, "weight_decay": weight_decay},
        )

    def check(self, **options: Any) -> None:
        momentum = number("SGD", "momentum", options["momentum"], below=1.0)
        if momentum and not self._has_velocity:
            raise ValueError("SGD: a group with momentum needs momentum in the constructor, which makes the slots")

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        if self._has_velocity:
            self._step(track.param._data, grad, track._slots["velocity"], lr=lr, momentum=options["momentum"])
        else:
            kernels.update("sgd")(track.param._data, grad, lr=lr)
