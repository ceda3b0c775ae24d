"""Adam and its variants: bias-corrected estimates of the first and second moments of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array


class _Betas(Optimizer):
    """An optimizer with two decays, eps, and a count of updates for each parameter."""

    kernel: Any

    def check(self, **options: Any) -> None:
        for name in ("beta1", "beta2"):
            number(self._kind, name, options[name], below=1.0)
        for name in options.keys() - {"beta1", "beta2"}:
            number(self._kind, name, options[name])

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        self.kernel(track.param._data, grad, *track._slots.values(), lr=lr, step=track._updates, **options)


class Adam(_Betas):
    """Adaptive moment estimation (Kingma & Ba 2015); t counts the updates of a parameter from 1::

        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad**2
        param -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    eps is outside the root, as in the paper, PyTorch and Keras; in TensorFlow and the chapter eps is divided by
    ``sqrt(1 - beta2**t)``.

    Args:
        lr: a number >= 0 or a schedule.
        beta1, beta2: in [0, 1).
        eps: > 0.
        amsgrad: divide by the largest v so far (Reddi et al. 2018).
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        amsgrad: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.kernel = kernels.update("amsgrad" if amsgrad else "adam")
        slots = ("m", "v", "v_max") if amsgrad else ("m", "v")
        super().__init__(
            params,
            lr,
            dict.fromkeys(slots, 0.0),
            {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay},
        )


class AdamW(_Betas):
    """`Adam` after ``param *= 1 - lr * weight_decay``: decoupled weight decay (Loshchilov & Hutter 2019).

    Args:
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
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        self.kernel = kernels.update("adamw")
        options = {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, lr, {"m": 0.0, "v": 0.0}, options)


class NAdam(_Betas):
    """Adam with Nesterov momentum (Dozat 2016) and a constant beta1::

        param -= (beta1 * lr / (1 - beta1**(t+1)) * m + (1 - beta1) * lr / (1 - beta1**t) * grad)
                 / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    PyTorch and Keras increase beta1 over the first steps; this is the paper's form without that schedule.

    Args:
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.kernel = kernels.update("nadam")
        super().__init__(
            params, lr, {"m": 0.0, "v": 0.0}, {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        )


class RAdam(_Betas):
    """Adam that starts as SGD with momentum, until the variance of its rate is tractable (Liu et al. 2020)::

        most   = 2 / (1 - beta2) - 1
        length = most - 2 * t * beta2**t / (1 - beta2**t)
        param -= lr * m / (1 - beta1**t)                                                     length <= 5
        param -= lr * r * m / (1 - beta1**t) * sqrt(1 - beta2**t) / (sqrt(v) + eps)          length > 5
        r      = sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))

    It needs no warm-up. The threshold 5 and the position of eps are PyTorch's; the paper has 4 and no eps. With the
    default beta2 the first five updates are not adaptive: for gradients much larger than 1 use a smaller rate than
    Adam's.

    Args:
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.kernel = kernels.update("radam")
        super().__init__(
            params, lr, {"m": 0.0, "v": 0.0}, {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        )


class Adamax(_Betas):
    """Adam with the infinity norm in place of the root of v (Kingma & Ba 2015)::

        u = max(beta2 * u, |grad|)
        param -= lr / (1 - beta1**t) * m / (u + eps)

    Args:
        weight_decay: >= 0; ``weight_decay * param`` is added to the gradient, as in PyTorch.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    couples_decay = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.kernel = kernels.update("adamax")
        super().__init__(
            params, lr, {"m": 0.0, "u": 0.0}, {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        )


class Lion(_Betas):
    """Steps of equal size ``lr`` in the direction of the sign (Chen et al. 2023)::

        param = (1 - lr * weight_decay) * param - lr * sign(beta1 * m + (1 - beta1) * grad)
        m = beta2 * m + (1 - beta2) * grad

    Use a rate 3 to 10 times smaller than for Adam, and a weight decay 3 to 10 times larger.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    def __init__(
        self, params: Params, lr: Rate = 1e-4, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0
    ) -> None:
        options = {"beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
        super().__init__(params, lr, {"m": 0.0}, options)

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        kernels.update("lion")(track.param._data, grad, track._slots["m"], lr=lr, **options)
