"""Comparisons, whose values are bool, and selection by a condition."""

from __future__ import annotations

from dataclasses import dataclass

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class less:
    """y = (a < b), bool."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("less", a, b)


@dataclass(frozen=True)
class less_equal:
    """y = (a <= b), bool."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("less_equal", a, b)


@dataclass(frozen=True)
class greater:
    """y = (a > b), bool."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("greater", a, b)


@dataclass(frozen=True)
class greater_equal:
    """y = (a >= b), bool."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("greater_equal", a, b)


@dataclass(frozen=True)
class equal:
    """y = (a == b), bool."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.compare("equal", a, b)


@dataclass(frozen=True)
class logical_not:
    """y = not x, bool."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.compare("equal", x, False)


@dataclass(frozen=True)
class where:
    """y = a where the condition is true, else b."""

    def __call__(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return ops.where(condition, a, b)


@dataclass(frozen=True)
class truth:
    """y = (x != 0), bool."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.compare("not_equal", x, 0.0)


@dataclass(frozen=True)
class indicator:
    """y = 1.0 where the condition is true, else 0.0."""

    def __call__(self, condition: Tensor) -> Tensor:
        return ops.where(condition, Tensor([1.0]), 0.0)
