"""Optimizers with a rate per element, adapted by the squares of its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array


class Adagrad(Optimizer):
    """The rate of each element falls with the sum of its squared gradients (Duchi et al. 2011)::

        accumulator += grad**2
        param -= lr * grad / sqrt(accumulator + eps)

    eps is inside the root, as in the chapter and in Keras; PyTorch has it outside. Suited to sparse features; in deep
    networks the rate often becomes too small before training has converged.

    Args:
        lr: a number >= 0 or a schedule.
        initial_accumulator: >= 0; 0 as in the chapter, TensorFlow's default is 0.1.
        eps: > 0.
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.01,
        initial_accumulator: float = 0.0,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ) -> None:
        start = number("Adagrad", "initial_accumulator", initial_accumulator)
        super().__init__(params, lr, {"accumulator": start}, {"eps": eps, "weight_decay": weight_decay})

    def check(self, **options: Any) -> None:
        number("Adagrad", "eps", options["eps"])

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        kernels.update("adagrad")(track.param._data, grad, *track._slots.values(), lr=lr, **options)


class RMSprop(Optimizer):
    """Adagrad with a decaying mean of squares in place of the sum (Tieleman & Hinton 2012)::

        s = decay * s + (1 - decay) * grad**2
        param -= lr * grad / sqrt(s + eps)

    With momentum, as in TensorFlow: ``mom = momentum * mom + lr * grad / sqrt(s + eps); param -= mom``. With
    ``centered``, the variance ``s - mean(grad)**2`` replaces s (Graves 2013). eps is inside the root, as in TensorFlow;
    PyTorch has it outside.

    Args:
        lr: a number >= 0 or a schedule.
        decay: in [0, 1).
        momentum: in [0, 1).
        eps: > 0.
        centered: subtract the squared mean.
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.001,
        decay: float = 0.9,
        momentum: float = 0.0,
        eps: float = 1e-10,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self._plain = momentum == 0 and not centered
        self._step = kernels.update("rmsprop_centered" if centered else "rmsprop_momentum")
        slots = ["s"] if self._plain else ["s", "mom", "mean"] if centered else ["s", "mom"]
        options = {"decay": decay, "momentum": momentum, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, lr, dict.fromkeys(slots, 0.0), options)

    def check(self, **options: Any) -> None:
        number("RMSprop", "decay", options["decay"], below=1.0)
        number("RMSprop", "eps", options["eps"])
        if number("RMSprop", "momentum", options["momentum"], below=1.0) and self._plain:
            raise ValueError(
                "RMSprop: momentum of a group is above 0, must be 0 without momentum in the constructor; give "
                "RMSprop(..., momentum=...)"
            )

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        if self._plain:
            decay, eps = options["decay"], options["eps"]
            kernels.update("rmsprop")(track.param._data, grad, track._slots["s"], lr=lr, decay=decay, eps=eps)
        else:
            self._step(track.param._data, grad, *track._slots.values(), lr=lr, **options)


class Adadelta(Optimizer):
    """The rate of each element is the root mean square of its past steps (Zeiler 2012)::

        s = rho * s + (1 - rho) * grad**2
        step = sqrt(delta + eps) / sqrt(s + eps) * grad
        delta = rho * delta + (1 - rho) * step**2
        param -= lr * step

    Args:
        lr: a number >= 0 or a schedule; 1 in the paper.
        rho: in [0, 1).
        eps: > 0.
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self, params: Params, lr: Rate = 1.0, rho: float = 0.95, eps: float = 1e-6, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, {"s": 0.0, "delta": 0.0}, {"rho": rho, "eps": eps, "weight_decay": weight_decay})

    def check(self, **options: Any) -> None:
        number("Adadelta", "rho", options["rho"], below=1.0)
        number("Adadelta", "eps", options["eps"])

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        kernels.update("adadelta")(track.param._data, grad, *track._slots.values(), lr=lr, **options)
