"""Follow the regularized leader: sparse weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array


class FTRL(Optimizer):
    """FTRL-Proximal (McMahan et al. 2013), as in TensorFlow; with ``p(a) = a ** -lr_power``::

        linear += grad + 2 * l2_shrinkage * param - (p(accumulator + grad**2) - p(accumulator)) / lr * param
        accumulator += grad**2
        param = (sign(linear) * l1 - linear) / ((p(accumulator) + beta) / lr + 2 * l2)   where |linear| > l1, else 0

    With l1 > 0 many weights become exactly 0: the chapter's method for sparse models, dual averaging (Nesterov 2009).
    With l1 = l2 = 0 and both accumulator and parameters starting at 0, it equals SGD for lr_power=0 and Adagrad for
    lr_power=-0.5.

    Args:
        lr: a number > 0 or a schedule.
        lr_power: <= 0; -0.5 gives the square root.
        initial_accumulator: >= 0.
        l1, l2: penalties, >= 0.
        l2_shrinkage: >= 0; an l2 penalty added to the gradient; l2 itself only stabilizes the update.
        beta: >= 0; as in the paper.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range, lr 0 included.
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.001,
        lr_power: float = -0.5,
        initial_accumulator: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
        l2_shrinkage: float = 0.0,
        beta: float = 0.0,
    ) -> None:
        if not callable(lr) and lr == 0:
            raise ValueError("FTRL: lr is 0, must be above 0, such as 0.001")
        start = number("FTRL", "initial_accumulator", initial_accumulator)
        options = {"lr_power": lr_power, "l1": l1, "l2": l2, "l2_shrinkage": l2_shrinkage, "beta": beta}
        super().__init__(params, lr, {"accumulator": start, "linear": 0.0}, options)

    def warm_start(self) -> None:
        """Starts from the current weights: ``linear = -param * ((p(accumulator) + beta) / lr + 2 * l2)``.

        FTRL computes the weights from ``linear``, which starts at 0, so the first step discards the initial weights.
        After this call it keeps them, shrunk towards 0 by ``l1 / ((p(accumulator) + beta) / lr + 2 * l2)``. This makes
        a trained network sparse; a deep network that starts sparse hardly learns. Call it before the first step. The
        larger initial_accumulator, the closer training stays to the weights.

        Raises:
            ValueError: the learning rate of the next step is 0.
        """
        rates = [group.rate(self.steps) for group in self.groups]
        if not all(rates):
            raise ValueError(f"FTRL.warm_start: the rate of step {self.steps} is 0, must be above 0: it divides by it")
        for group, lr in zip(self.groups, rates, strict=True):
            o = group.options
            for track in group.tracks:
                if track._slots:
                    root = np.power(track._slots["accumulator"], -o["lr_power"])
                    track._slots["linear"][...] = -track.param._data * ((root + o["beta"]) / lr + 2 * o["l2"])

    def check(self, **options: Any) -> None:
        number("FTRL", "-lr_power", -options["lr_power"])
        for name in ("l1", "l2", "l2_shrinkage", "beta"):
            number("FTRL", name, options[name])

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        kernels.update("ftrl")(track.param._data, grad, *track._slots.values(), lr=lr, **options)
