"""Optimizers by the names of their updates, for the command line, the playground and the tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from minidnn import optim, reference
from minidnn.optim.optimizer import Optimizer
from minidnn.optimizers import UPDATES, Update


def _maker(row: Update) -> Callable[..., Optimizer]:
    kind: Callable[..., Optimizer] = getattr(optim, row.kind)
    return partial(kind, **row.options) if row.options else kind


MAKERS: dict[str, Callable[..., Optimizer]] = {name: _maker(row) for name, row in UPDATES.items()}
"""name -> function ``(params, lr) -> Optimizer``; lr may be omitted unless the name is in `WITHOUT_RATE`."""


def _arguments(name: str) -> dict[str, Any]:
    """The defaults of the constructor's arguments; `inspect.Parameter.empty` for one without a default."""
    signature = inspect.signature(getattr(optim, UPDATES[name].kind))
    return {argument: parameter.default for argument, parameter in signature.parameters.items()} | {
        **UPDATES[name].options
    }


WITHOUT_RATE = tuple(name for name in UPDATES if _arguments(name)["lr"] is inspect.Parameter.empty)
"""Names of the updates without a default rate."""


def settings(name: str, *, lr: float = 0.1, step: int = 3) -> dict[str, float]:
    """The default keyword arguments of an update's kernel.

    Args:
        lr: the rate if the optimizer has no default.
        step: for updates that depend on the number of steps.
    """
    given = _arguments(name) | {"step": step, "rate": lr}
    if name in WITHOUT_RATE:
        given["lr"] = lr
    parameters = inspect.signature(getattr(reference, f"{name}_step")).parameters.values()
    return {p.name: float(given[p.name]) for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def slots(name: str) -> list[str]:
    """The names of an update's slots, in the order of the kernel's arguments."""
    parameters = inspect.signature(getattr(reference, f"{name}_step")).parameters.values()
    return [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY][2:]
