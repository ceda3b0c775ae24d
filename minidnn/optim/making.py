"""Optimizers by the names of their updates, for whoever offers them as a choice."""

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
"""name -> what makes the optimizer of parameters, and of a rate where it has no default."""


def _arguments(name: str) -> dict[str, Any]:
    """The defaults of its constructor's arguments; `inspect.Parameter.empty` where there is none."""
    signature = inspect.signature(getattr(optim, UPDATES[name].kind))
    return {argument: parameter.default for argument, parameter in signature.parameters.items()} | {
        **UPDATES[name].options
    }


WITHOUT_RATE = tuple(name for name in UPDATES if _arguments(name)["lr"] is inspect.Parameter.empty)
"""Those that have no default rate."""


def settings(name: str, *, lr: float = 0.1, step: int = 3) -> dict[str, float]:
    """What the kernel of an update takes behind its arrays, by default.

    Args:
        lr: the rate where the optimizer has no default.
        step: of updates that count.
    """
    given = _arguments(name) | {"step": step, "rate": lr}
    if name in WITHOUT_RATE:
        given["lr"] = lr
    parameters = inspect.signature(getattr(reference, f"{name}_step")).parameters.values()
    return {p.name: float(given[p.name]) for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def slots(name: str) -> list[str]:
    """What lies beside a parameter, in the order in which the kernel takes it."""
    parameters = inspect.signature(getattr(reference, f"{name}_step")).parameters.values()
    return [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY][2:]
