"""Comparisons, whose values are true or false, and what is chosen by them."""

from __future__ import annotations

from dataclasses import dataclass

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class less:
    """y = whether a < b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("less", a, b)


@dataclass(frozen=True)
class less_equal:
    """y = whether a <= b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("less_equal", a, b)


@dataclass(frozen=True)
class greater:
    """y = whether a > b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("greater", a, b)


@dataclass(frozen=True)
class greater_equal:
    """y = whether a >= b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("greater_equal", a, b)


@dataclass(frozen=True)
class equal:
    """y = whether a == b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("equal", a, b)


@dataclass(frozen=True)
class logical_not:
    """y = whether x is false."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.compare("equal", x, False)


@dataclass(frozen=True)
class where:
    """y = a where the condition holds, else b."""

    def __call__(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return ops.where(condition, a, b)


@dataclass(frozen=True)
class truth:
    """y = whether x is not 0."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.compare("not_equal", x, 0.0)


@dataclass(frozen=True)
class indicator:
    """y = 1 where the condition holds, else 0."""

    def __call__(self, condition: Tensor) -> Tensor:
        return ops.where(condition, Tensor([1.0]), 0.0)
