"""Dual averaging: weights computed from the sum of all gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array


class AdagradDA(Optimizer):
    """Adagrad with dual averaging (Duchi et al. 2011), as in TensorFlow; t counts the updates from 1::

        gradient_sum += grad
        accumulator += grad**2
        param = lr * (sign(gradient_sum) * l1 * t - gradient_sum) / (sqrt(accumulator) + l2 * t * lr)
                                                                         where |gradient_sum| > l1 * t, else 0

    A weight whose mean gradient is at most l1 is exactly zero, so linear models become sparse. The weights depend only
    on the sums: the first update discards the initial weights, unless `warm_start` is called before. lr is a factor of
    all weights, so a schedule rescales the model; an update with rate 0 changes nothing.

    Args:
        lr: a number >= 0 or a schedule.
        initial_accumulator: > 0.
        l1, l2: penalties, >= 0.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.01,
        initial_accumulator: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
    ) -> None:
        start = number("AdagradDA", "initial_accumulator", initial_accumulator)
        if start == 0:
            raise ValueError("AdagradDA: initial_accumulator is 0, must be above 0, such as 0.1")
        super().__init__(params, lr, {"gradient_sum": 0.0, "accumulator": start}, {"l1": l1, "l2": l2})

    def warm_start(self) -> None:
        """Starts from the current weights: ``gradient_sum = -param * sqrt(accumulator) / lr``.

        Call it before the first step. Without penalties, an update with gradient 0 then keeps the weights. The larger
        initial_accumulator, the closer training stays to them.

        Raises:
            ValueError: the learning rate of the next step is 0.
        """
        rates = [group.rate(self.steps) for group in self.groups]
        if not all(rates):
            raise ValueError(
                f"AdagradDA.warm_start: the rate of step {self.steps} is 0, must be above 0: it divides by it"
            )
        for group, lr in zip(self.groups, rates, strict=True):
            for track in group.tracks:
                if track._slots:
                    root = np.sqrt(track._slots["accumulator"])
                    track._slots["gradient_sum"][...] = -track.param._data * root / lr

    def check(self, **options: Any) -> None:
        for name in ("l1", "l2"):
            number("AdagradDA", name, options[name])

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        kernels.update("adagrad_da")(
            track.param._data, grad, *track._slots.values(), lr=lr, step=track._updates, **options
        )
