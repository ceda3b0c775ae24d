"""Sums, means and extremes over axes."""

from __future__ import annotations

from dataclasses import dataclass

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class _Reduction:
    """A reduction over the axes, all of them if None; keepdims keeps them with size 1."""

    axes: tuple[int, ...] | None = None
    keepdims: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", None if self.axes is None else tuple(self.axes))


class sum(_Reduction):
    """y = the sum over the axes, all of them by default; keepdims keeps them with size 1."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.sum(x, self.axes, self.keepdims)


class mean(_Reduction):
    """y = the mean over the axes, all of them by default; keepdims keeps them with size 1."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.mean(x, self.axes, self.keepdims)


class max(_Reduction):
    """y = the maximum over the axes, all of them by default; keepdims keeps them with size 1."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.max(x, self.axes, self.keepdims)


class min(_Reduction):
    """y = the minimum over the axes, all of them by default; keepdims keeps them with size 1."""

    def __call__(self, x: Tensor) -> Tensor:
        return ops.min(x, self.axes, self.keepdims)
