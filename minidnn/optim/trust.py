"""Layer-wise rates: steps proportional to the norm of their parameter, for large batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.adam import _Betas
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array


class LARS(Optimizer):
    """SGD with momentum and a rate per parameter array, by its norm (You et al. 2017)::

        rate = lr * trust_coefficient * |param| / (|grad| + weight_decay * |param| + eps)     lr where a norm is 0
        velocity = momentum * velocity + rate * (grad + weight_decay * param)
        param -= velocity

    Norms are l2 norms of the whole array, in float64. The velocity contains the rate, as in the paper. Biases and the
    parameters of normalization are usually not decayed: give them a group with ``"weight_decay": 0.0``.

    Args:
        lr: a number >= 0 or a schedule.
        momentum: in [0, 1).
        weight_decay: >= 0.
        trust_coefficient: >= 0; the paper's eta.
        eps: >= 0.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    def __init__(
        self,
        params: Params,
        lr: Rate,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        eps: float = 0.0,
    ) -> None:
        options = {
            "momentum": momentum,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "eps": eps,
        }
        super().__init__(params, lr, {"velocity": 0.0}, options)

    def check(self, **options: Any) -> None:
        number("LARS", "momentum", options["momentum"], below=1.0)
        for name in ("weight_decay", "trust_coefficient", "eps"):
            number("LARS", name, options[name])

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        param, decay = track.param._data, options["weight_decay"]
        rate = kernels.trusted_rate(
            kernels.squared_norm(param),
            kernels.squared_norm(grad),
            lr=lr,
            coefficient=options["trust_coefficient"],
            weight_decay=decay,
            eps=options["eps"],
        )
        kernels.update("lars")(
            param, grad, track._slots["velocity"], lr=rate, momentum=options["momentum"], weight_decay=decay
        )


class LAMB(_Betas):
    """Adam with a rate per parameter array, by its norm (You et al. 2020); t counts its updates from 1::

        direction = m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps) + weight_decay * param
        param -= lr * |param| / |direction| * direction                                       lr where a norm is 0

    Norms are l2 norms of the whole array, in float64, and are not bounded. Biases and the parameters of normalization
    are usually not decayed: give them a group with ``"weight_decay": 0.0``.

    Args:
        lr: a number >= 0 or a schedule.
        beta1, beta2: in [0, 1).
        eps: > 0.
        weight_decay: >= 0.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, lr, {"m": 0.0, "v": 0.0}, options)

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        param, direction = track.param._data, kernels.copy(grad)
        kernels.update("lamb")(param, grad, *track._slots.values(), direction, step=track._updates, **options)
        norms = kernels.squared_norm(param), kernels.squared_norm(direction)
        rate = kernels.trusted_rate(*norms, lr=lr, coefficient=1.0, weight_decay=0.0, eps=0.0)
        kernels.update("sgd")(param, direction, lr=rate)
