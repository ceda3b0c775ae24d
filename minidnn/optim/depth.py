"""Learning rates by depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minidnn.checks import number
from minidnn.nn.blocks import blocks
from minidnn.nn.module import Module
from minidnn.optim.groups import Rate
from minidnn.schedules import Schedule


@dataclass(frozen=True)
class Scaled:
    """``lr(step) = factor * schedule(step)``."""

    schedule: Schedule
    factor: float

    def __call__(self, step: int) -> float:
        return self.factor * self.schedule(step)


def by_depth(model: Module, lr: Rate, factor: float = 1 / 2.6) -> list[dict[str, Any]]:
    """Parameter groups with the rate ``lr * factor**distance``, by distance from the outputs (Howard & Ruder 2018).

    Reused lower layers are general and should change little; new upper layers should change more::

        optimizer = optim.SGD(optim.by_depth(model, lr=0.01), lr=0.01, momentum=0.9)

    Args:
        model: depth counts its `nn.blocks`: a layer with a kernel and the layers without one that follow it. Frozen
            layers are included, with the rate that applies once they are unfrozen.
        lr: of the last layer; a number or a schedule.
        factor: in (0, 1]; 1 / 2.6 is the paper's.

    Raises:
        ValueError: no parameters, or factor out of range.
    """
    if not 0 < number("by_depth", "factor", factor) <= 1:
        raise ValueError(f"by_depth: factor must be in (0, 1], got {factor}")
    layers = [[param for _, part in block for param in part.parameters()] for block in blocks(model)]
    if not any(layers):
        raise ValueError("by_depth: no part of the model has parameters")
    rates = [_scaled(lr, factor**distance) for distance in reversed(range(len(layers)))]
    return [{"params": params, "lr": rate} for params, rate in zip(layers, rates, strict=True)]


def _scaled(lr: Rate, factor: float) -> Rate:
    return Scaled(lr, factor) if callable(lr) else lr * factor
