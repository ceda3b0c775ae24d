"""Skip connections: a way for the signal around a block."""

from __future__ import annotations

from minidnn import ops
from minidnn.nn.module import Module
from minidnn.tensor import Tensor


class Residual(Module):
    """y = x + block(x) (He et al. 2016): a block that does nothing yet passes the signal on.

    Raises:
        ValueError: on call, where the block changes the shape.
    """

    def __init__(self, block: Module, name: str | None = None) -> None:
        self.block, self.name = block, name

    def forward(self, x: Tensor) -> Tensor:
        y = self.block.forward(x)
        if y.shape != x.shape:
            raise ValueError(f"{self.label}: its block turns shape {x.shape} into {y.shape}: they must be the same")
        return x + y


class SkipConcat(Module):
    """y = x and block(x) side by side along the last axis (Huang et al. 2017): later layers see both."""

    def __init__(self, block: Module, name: str | None = None) -> None:
        self.block, self.name = block, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.concatenate([x, self.block.forward(x)], axis=-1)
