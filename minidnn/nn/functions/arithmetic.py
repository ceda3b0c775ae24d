"""Elementwise functions with NumPy's broadcasting."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class add:
    """y = x_1 + x_2 + ..., with NumPy's broadcasting."""

    def __call__(self, *xs: Tensor) -> Tensor:
        return reduce(operator.add, xs)


@dataclass(frozen=True)
class subtract:
    """y = a - b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b


@dataclass(frozen=True)
class multiply:
    """y = x_1 * x_2 * ..., with NumPy's broadcasting."""

    def __call__(self, *xs: Tensor) -> Tensor:
        return reduce(operator.mul, xs)


@dataclass(frozen=True)
class divide:
    """y = a / b."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return a / b


@dataclass(frozen=True)
class power:
    """y = a ** b for two values; y = a ** exponent for one."""

    exponent: float | None = None

    def __call__(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        exponent = self.exponent if b is None else b
        if exponent is None or (b is not None and self.exponent is not None):
            wanted = "a number for one value" if b is None else "None for two values"
            raise TypeError(f"power: exponent is {self.exponent}, must be {wanted}")
        return ops.power(a, exponent)


@dataclass(frozen=True)
class maximum:
    """y = max(x_1, x_2, ...)."""

    def __call__(self, *xs: Tensor) -> Tensor:
        return reduce(ops.maximum, xs)


@dataclass(frozen=True)
class minimum:
    """y = min(x_1, x_2, ...)."""

    def __call__(self, *xs: Tensor) -> Tensor:
        return reduce(ops.minimum, xs)


@dataclass(frozen=True)
class clip:
    """y = min(max(x, low), high); a bound of None does not clip."""

    low: float | None = None
    high: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return x if self.low is None and self.high is None else ops.clip(x, self.low, self.high)


@dataclass(frozen=True)
class identity:
    """y = x; gives a value a second name."""

    def __call__(self, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class negative:
    """y = -x."""

    def __call__(self, x: Tensor) -> Tensor:
        return -x


@dataclass(frozen=True)
class reciprocal:
    """y = 1 / x."""

    def __call__(self, x: Tensor) -> Tensor:
        return 1.0 / x


@dataclass(frozen=True)
class abs:
    """y = abs(x)."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.abs(x)


@dataclass(frozen=True)
class exp:
    """y = exp(x)."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.exp(x)


@dataclass(frozen=True)
class log:
    """y = log(x)."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.log(x)


@dataclass(frozen=True)
class sqrt:
    """y = sqrt(x)."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.sqrt(x)


@dataclass(frozen=True)
class erf:
    """y = erf(x), the error function."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.erf(x)


@dataclass(frozen=True)
class prelu:
    """y = x where x > 0, else alpha * x, with alpha broadcast to x (He et al. 2015)."""

    def __call__(self, x: Tensor, alpha: Tensor) -> Tensor:
        return ops.relu(x) - alpha * ops.relu(-x)
