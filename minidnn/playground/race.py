"""The paths of the optimizers on surfaces with a known minimum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn import Tensor, optim
from minidnn.playground.coding import as_base64
from minidnn.playground.settings import OPTIMIZERS

SIDE = 96
Height = Callable[[Any, Any, float], Any]


@dataclass(frozen=True)
class Surface:
    """A function of x, y and the condition number.

    Attributes:
        height: the function, for tensors and for arrays.
        span: the visible range: lowest and highest x, lowest and highest y.
        start: the first point of every path.
        least: a minimum.
        lr: a good rate for SGD, with and without momentum.
        adaptive_lr: a good rate for the other optimizers.
    """

    height: Height
    span: tuple[float, float, float, float]
    start: tuple[float, float]
    least: tuple[float, float]
    lr: float
    adaptive_lr: float


def _bowl(x: Any, y: Any, condition: float) -> Any:
    return 0.5 * (x * x + condition * (y * y))


def _rosenbrock(x: Any, y: Any, condition: float) -> Any:
    away, bent = 1 - x, y - x * x
    return away * away + 100 * (bent * bent)


def _beale(x: Any, y: Any, condition: float) -> Any:
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * (y * y), 2.625 - x + x * (y * y * y)
    return a * a + b * b + c * c


def _saddle(x: Any, y: Any, condition: float) -> Any:
    return 0.5 * (x * x - y * y) + 0.05 * (y * y) * (y * y)


SURFACES = {
    "bowl": Surface(_bowl, (-2.2, 2.2, -2.2, 2.2), (-1.9, 1.6), (0, 0), 0.02, 0.1),
    "Rosenbrock": Surface(_rosenbrock, (-2, 2, -1, 3), (-1.4, 2.2), (1, 1), 0.0004, 0.05),
    "Beale": Surface(_beale, (-1, 4.2, -2, 2), (0.6, 1.4), (3, 0.5), 0.004, 0.1),
    "saddle": Surface(_saddle, (-3, 3, -3, 3), (-2.4, 0.01), (0, 5**0.5), 0.05, 0.1),
}


def race(query: Mapping[str, str]) -> dict[str, Any]:
    """The surface as bytes and the path of each optimizer.

    Args:
        query: surface, condition, momentum, lr (for SGD, Momentum, Nesterov), adaptive_lr (for the others), steps.

    Raises:
        ValueError: an entry is invalid; the message names it.
    """
    name = query.get("surface", "bowl")
    if name not in SURFACES:
        raise ValueError(f"surface is {name!r}, must be one of {', '.join(SURFACES)}")
    condition, steps = _number(query, "condition", 10, 1, 1000), int(_number(query, "steps", 200, 1, 1000))
    momentum = _number(query, "momentum", 0.9, 0.01, 0.99999)
    rates = _number(query, "lr", 0.02, 0, 10), _number(query, "adaptive_lr", 0.1, 0, 10)
    surface = SURFACES[name]
    return {
        "surface": name,
        "span": surface.span,
        "least": surface.least,
        "heights": _heights(surface, condition),
        "paths": {
            optimizer: _path(surface, condition, _made(optimizer, rates, momentum), steps) for optimizer in OPTIMIZERS
        },
    }


def _made(name: str, rates: tuple[float, float], momentum: float) -> Callable[[Any], optim.Optimizer]:
    if name == "SGD":
        return lambda params: optim.SGD(params, rates[0])
    if name in ("Momentum", "Nesterov"):
        return lambda params: optim.SGD(params, rates[0], momentum=momentum, nesterov=name == "Nesterov")
    return lambda params: OPTIMIZERS[name](params, rates[1])


def _path(surface: Surface, condition: float, make: Callable[[Any], optim.Optimizer], steps: int) -> list[list[float]]:
    """x, y and the height after each step; ends when the path diverges."""
    x, y = (Tensor(np.array([value], np.float32), requires_grad=True) for value in surface.start)
    optimizer = make([x, y])
    path = []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        height = surface.height(x, y, condition).sum()
        point = [x.item(), y.item(), height.item()]
        if not np.all(np.isfinite(point)) or max(abs(point[0]), abs(point[1])) > 1e3:
            break
        path.append([round(value, 4) for value in point[:2]] + [float(f"{point[2]:.4g}")])
        height.backward()
        optimizer.step()
    return path


def _heights(surface: Surface, condition: float) -> str:
    """Logarithms of the heights above the minimum, as bytes in base64, top row first."""
    left, right, low, high = surface.span
    x, y = np.meshgrid(np.linspace(left, right, SIDE), np.linspace(high, low, SIDE))
    logs = np.log(np.maximum(surface.height(x, y, condition) - surface.height(*surface.least, condition), 0) + 0.02)
    unit = (logs - logs.min()) / (logs.max() - logs.min())
    return as_base64(255 * unit)


def _number(query: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = query.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"{name} is {text!r}, must be a number in [{low:g}, {high:g}]")
    return value
