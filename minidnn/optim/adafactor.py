"""Adafactor: adaptive rates with little memory per parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.checks import number
from minidnn.optim.groups import Rate, Track
from minidnn.optim.optimizer import Optimizer, Params
from minidnn.reference.types import Array
from minidnn.tensor import Tensor


class Adafactor(Optimizer):
    """For a matrix it keeps only the mean squares of rows and columns (Shazeer & Stern 2018), as in PyTorch::

        rest = t**beta2_decay
        row = (1 - rest) * row + rest * mean(grad**2, axis=1)
        column = (1 - rest) * column + rest * mean(grad**2, axis=0)
        direction = grad / max(sqrt(outer(row, column) / mean(row)), eps[0])
        rate = min(lr, 1 / sqrt(t)) * max(rms(param), eps[1]) / max(1, rms(direction) / d)
        param = (1 - lr * weight_decay) * param - rate * direction

    t counts the updates of a parameter from 1; rms is the root mean square. For a parameter that is not a matrix, the
    mean square of each element is kept. The rate is relative to the rms of the parameter.

    Args:
        lr: a number >= 0 or a schedule; the upper bound of the relative rate.
        beta2_decay: <= 0.
        eps: two numbers: the lower bound of the divisor, > 0 or None for the machine epsilon of the parameter's dtype;
            and the lower bound of rms(param), >= 0.
        d: >= 1; a direction with a larger rms is scaled down to it.
        weight_decay: >= 0; decoupled from the gradient.

    Raises:
        TypeError, ValueError: as `Optimizer`; an argument out of range.
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 0.01,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay}
        super().__init__(params, lr, {"v": 0.0, "row": 0.0, "column": 0.0}, options)

    def slot_shapes(self, param: Tensor) -> dict[str, tuple[int, ...]]:
        """The shapes of rows and columns for a matrix; otherwise the parameter's shape."""
        if len(param.shape) == 2:
            return {"row": param.shape[:1], "column": param.shape[1:]}
        return {"v": param.shape}

    def check(self, **options: Any) -> None:
        eps = options["eps"]
        if not isinstance(eps, (tuple, list)) or len(eps) != 2:
            raise TypeError(f"Adafactor: eps is {eps!r}, must be two numbers, such as (None, 1e-3)")
        if eps[0] is not None and number("Adafactor", "eps[0]", eps[0]) == 0:
            raise ValueError("Adafactor: eps[0] is 0, must be above 0, or None for the machine epsilon")
        number("Adafactor", "eps[1]", eps[1])
        number("Adafactor", "-beta2_decay", -options["beta2_decay"])
        number("Adafactor", "weight_decay", options["weight_decay"])
        if number("Adafactor", "d", options["d"]) < 1:
            raise ValueError(f"Adafactor: d is {options['d']}, must be at least 1")

    def update(self, track: Track, grad: Array, lr: float, options: Mapping[str, Any]) -> None:
        param, count, (eps, scale) = track.param._data, max(track.param._data.size, 1), options["eps"]
        eps = float(np.finfo(param.dtype).eps) if eps is None else eps
        if grad.dtype != param.dtype:
            raise TypeError(f"Adafactor: grad is of {grad.dtype}, must be of {param.dtype}, as its parameter")
        if grad.shape != param.shape:
            raise ValueError(f"Adafactor: grad has shape {grad.shape}, must have {param.shape}, as its parameter")
        direction = kernels.copy(grad)
        squares = _mean_squares(track, kernels.multiply(grad, grad), options["beta2_decay"], eps)
        kernels.update("adafactor_direction")(direction, squares, eps=eps)
        rate = kernels.adafactor_rate(
            kernels.squared_norm(param),
            kernels.squared_norm(direction),
            lr=lr,
            count=count,
            scale=scale,
            d=options["d"],
            step=track._updates,  # type: ignore[arg-type]
        )
        kernels.update("adafactor")(param, direction, lr=lr, rate=rate, weight_decay=options["weight_decay"])


def _mean_squares(track: Track, squares: Array, beta2_decay: float, eps: float) -> Array:
    """The decaying mean square of each element; for a matrix estimated from its rows and columns."""
    mean, slots, by = kernels.update("adafactor_mean"), track._slots, {"beta2_decay": beta2_decay}
    if "v" in slots:
        mean(slots["v"], squares, count=1, step=track._updates, **by)
        return slots["v"]
    row, column = slots["row"], slots["column"]
    mean(row, kernels.row_sum(squares), count=max(column.size, 1), step=track._updates, **by)
    mean(column, kernels.column_sum(squares), count=max(row.size, 1), step=track._updates, **by)
    if not row.size:
        return squares
    size = kernels.mean(row)
    kernels.clip(size, eps, np.inf)
    shares = kernels.divide(row, size)
    return kernels.matmul(kernels.reshape(shares, (row.size, 1)), kernels.reshape(column, (1, column.size)))
