"""The settings of a run, read from the query of a URL; the choices come from the tables of the package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from minidnn import optim, schedules
from minidnn.activations import ACTIVATIONS
from minidnn.nn.initializers import INITIALIZERS
from minidnn.optim.making import MAKERS
from minidnn.optimizers import UPDATES
from minidnn.playground.points import CLASSIFICATION, REGRESSION
from minidnn.schedules import Schedule

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {row.shown: MAKERS[name] for name, row in UPDATES.items()}
"""Name -> a function (parameters, lr) that returns the optimizer."""

SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda lr, steps: schedules.constant(lr),
    "piecewise constant": lambda lr, steps: schedules.piecewise_constant(
        (steps // 2, 3 * steps // 4), (lr, lr / 10, lr / 100)
    ),
    "exponential": lambda lr, steps: schedules.exponential(lr, 0.01, steps),
    "power": lambda lr, steps: schedules.power(lr, steps / 20),
    "cosine": lambda lr, steps: schedules.cosine(lr, steps),
    "1cycle": lambda lr, steps: schedules.one_cycle(lr, steps),
    "warm-up": lambda lr, steps: schedules.warm_up(steps // 10, schedules.constant(lr)),
}
"""Name -> a function (lr, number of updates) that returns the schedule."""

MOST_POINTS, MOST_LAYERS, MOST_UNITS = 400, 8, 32


@dataclass(frozen=True)
class Settings:
    """The settings of one run. ``Settings()`` has the defaults of the page."""

    task: str = "classification"
    data: str = "spirals"
    noise: float = 0.1
    points: tuple[tuple[float, float, int], ...] = ()
    hidden: tuple[int, ...] = (16, 16)
    activation: str = "elu"
    initializer: str = "he_normal"
    batch_norm: bool = False
    skip: bool = False
    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    optimizer: str = "Adam"
    lr: float = 0.01
    schedule: str = "constant"
    horizon: int = 2000
    batch: int = 20
    seed: int = 1

    @property
    def regression(self) -> bool:
        return self.task == "regression"


def choices() -> dict[str, list[str]]:
    """The entries of each list of the page."""
    return {
        "task": ["classification", "regression"],
        "data": [*CLASSIFICATION, *REGRESSION, "own"],
        "activation": list(ACTIVATIONS),
        "initializer": list(INITIALIZERS),
        "optimizer": list(OPTIMIZERS),
        "schedule": list(SCHEDULES),
    }


def defaults() -> dict[str, str]:
    """The default of every setting, as text of a query."""
    texts = {}
    for field in fields(Settings):
        value = getattr(Settings, field.name)
        texts[field.name] = (
            ",".join(map(str, value))
            if isinstance(value, tuple)
            else f"{value:g}"
            if isinstance(value, float)
            else f"{value}"
        )
        if isinstance(value, bool):
            texts[field.name] = "1" if value else "0"
    return texts


def both(query: Mapping[str, str]) -> list[Settings]:
    """The settings of a query. Entries ``b.NAME`` define a second run, which differs from the first in these entries.

    Raises:
        ValueError: an entry is invalid; the message names it.
    """
    first = parse({name: text for name, text in query.items() if "." not in name})
    others = {name.removeprefix("b."): text for name, text in query.items() if name.startswith("b.")}
    return [first, parse(others, first)] if others else [first]


def parse(query: Mapping[str, str], base: Settings | None = None) -> Settings:
    """The settings of a query; missing entries come from ``base``.

    Raises:
        ValueError: an entry is invalid; the message names it.
    """
    base, given = base or Settings(), {}
    for field in fields(Settings):
        if field.name in query:
            given[field.name] = _read(field.name, getattr(Settings, field.name), query[field.name])
    settings = replace(base, **given)
    kinds = REGRESSION if settings.regression else CLASSIFICATION
    if settings.data != "own" and settings.data not in kinds:
        raise ValueError(f"data is {settings.data!r}, must be {', '.join(kinds)} or own for {settings.task}")
    if settings.data == "own" and len(settings.points) < 2:
        raise ValueError("points has fewer than 2 points; click in the picture to add some")
    return settings


def _read(name: str, default: Any, text: str) -> Any:
    if name in ("points", "hidden"):
        return _points(text) if name == "points" else _hidden(text)
    if isinstance(default, bool):
        return text in ("1", "true", "on")
    if isinstance(default, str):
        if text not in choices()[name]:
            raise ValueError(f"{name} is {text!r}, must be one of {', '.join(choices()[name])}")
        return text
    try:
        value = type(default)(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, must be a number") from None
    low, high = _BOUNDS[name]
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {text}, must be in [{low:g}, {high:g}]")
    return value


_BOUNDS = {
    "noise": (0, 1),
    "dropout": (0, 0.9),
    "l1": (0, 10),
    "l2": (0, 10),
    "max_norm": (0, 100),
    "lr": (0, 100),
    "horizon": (20, 1_000_000),
    "batch": (1, 400),
    "seed": (0, 2**32 - 1),
}


def _hidden(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MOST_LAYERS or not all(part.isdecimal() and 1 <= int(part) <= MOST_UNITS for part in parts):
        raise ValueError(
            f"hidden is {text!r}, must be up to {MOST_LAYERS} numbers of units in [1, {MOST_UNITS}], such as 16,16"
        )
    return tuple(int(part) for part in parts)


def _points(text: str) -> tuple[tuple[float, float, int], ...]:
    points = []
    for part in filter(None, text.split(";")):
        try:
            x, y, label = part.split(",")
            point = (float(x), float(y), int(label))
        except ValueError:
            raise ValueError(f"points has {part!r}, must be x,y,class;x,y,class;...") from None
        if not (abs(point[0]) <= 2 and abs(point[1]) <= 2 and point[2] in (0, 1)):
            raise ValueError(f"points has {part!r}, must be in [-2, 2] with class 0 or 1")
        points.append(point)
    if len(points) > MOST_POINTS:
        raise ValueError(f"points has {len(points)} points, must have at most {MOST_POINTS}")
    return tuple(points)
