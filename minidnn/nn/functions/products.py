"""Matrix products."""

from __future__ import annotations

from dataclasses import dataclass

from minidnn import ops
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class matmul:
    """y = a @ b, with NumPy's rules for vectors and for stacks of matrices."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.matmul(a, b)


@dataclass(frozen=True)
class gemm:
    """y = alpha * a @ b + beta * c, or alpha * a @ b without c; transpose_a and transpose_b transpose a and b first."""

    alpha: float = 1.0
    beta: float = 1.0
    transpose_a: bool = False
    transpose_b: bool = False

    def __call__(self, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        y = ops.matmul(ops.transpose(a) if self.transpose_a else a, ops.transpose(b) if self.transpose_b else b)
        if self.alpha != 1.0:
            y = y * self.alpha
        return y if c is None else y + (c if self.beta == 1.0 else c * self.beta)
