"""What a run was asked for, as text and numbers that a checkpoint keeps, so that another run is not taken for it."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from minidnn.optim import Optimizer


def of_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """The kind, its kernels and switches, and the rate or schedule and the options of each group."""
    described: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    for name, value in vars(optimizer).items():
        if isinstance(value, bool) or hasattr(value, "__qualname__"):
            described[name.strip("_")] = named(value)
    for i, group in enumerate(optimizer.groups):
        where = f" of group {i}" if len(optimizer.groups) > 1 else ""
        described[f"lr{where}"] = named(group.lr)
        described |= {f"{name}{where}": named(value) for name, value in group.options.items()}
    return described


def named(value: Any) -> Any:
    """A value as JSON holds it: numbers as they are, functions by name, objects as they print themselves."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [named(part) for part in value]
    if isinstance(value, partial):
        options = [*map(named, value.args), *(f"{name}={named(part)}" for name, part in value.keywords.items())]
        return f"{named(value.func)}({', '.join(map(str, options))})"
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if getattr(type(value), "__repr__", None) is object.__repr__:
        return f"{type(value).__module__}.{type(value).__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
