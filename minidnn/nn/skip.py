"""Skip connections: the input of a block is added to, or concatenated with, its output."""

from __future__ import annotations

from minidnn import ops
from minidnn.nn.module import Module
from minidnn.tensor import Tensor


class Residual(Module):
    """y = x + block(x) (He et al. 2016): with a block near 0 the layer is near the identity.

    Raises:
        ValueError: on call, the block changes the shape.
    """

    def __init__(self, block: Module, name: str | None = None) -> None:
        self.block, self.name = block, name

    def forward(self, x: Tensor) -> Tensor:
        y = self.block.forward(x)
        if y.shape != x.shape:
            raise ValueError(f"{self.label}: its block turns shape {x.shape} into {y.shape}: they must be the same")
        return x + y


class SkipConcat(Module):
    """y = (x, block(x)) concatenated along the last axis (Huang et al. 2017)."""

    def __init__(self, block: Module, name: str | None = None) -> None:
        self.block, self.name = block, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.concatenate([x, self.block.forward(x)], axis=-1)
