"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array


class SGD(Optimizer):
    """Stochastic gradient descent::

        param -= lr * grad                                    momentum = 0
        velocity = momentum * velocity + grad
        param -= lr * velocity                                (Polyak 1964)
        param -= lr * (grad + momentum * velocity)            nesterov=True (Sutskever et al. 2013)

    This is momentum as in TensorFlow and PyTorch. The textbook's form, ``m = beta * m + lr * grad; param -= m``, gives
    the same steps while lr is constant. When lr changes, m still contains old gradients with the old rate; here the new
    rate applies to the whole velocity.

    Under a constant gradient the velocity converges to ``grad / (1 - momentum)``: 10 times the gradient for 0.9.

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: a number >= 0 or a schedule.
        momentum: in [0, 1).
        nesterov: Nesterov's accelerated gradient; needs momentum > 0.
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
            raise ValueError("SGD: momentum is 0, must be above 0 with nesterov=True; give momentum=0.9")
        super().__init__(
            params,
            lr,
            {"velocity": 0.0} if self._has_velocity else {},
            {"momentum": momentum, "weight_decay": weight_decay},
        )

    def check(self, **options: Any) -> None:
        momentum = number("SGD", "momentum", options["momentum"], below=1.0)
        if momentum and not self._has_velocity:
            raise ValueError(
                "SGD: momentum of a group is above 0, must be 0 without momentum in the constructor; give "
                "SGD(..., momentum=...)"
            )

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        if self._has_velocity:
            self._step(track.param._data, grad, track._slots["velocity"], lr=lr, momentum=options["momentum"])
        else:
            kernels.update("sgd")(track.param._data, grad, lr=lr)
