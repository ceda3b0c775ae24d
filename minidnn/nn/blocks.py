"""The layers of a model grouped into blocks, by which depth is counted."""

from __future__ import annotations

from minidnn.nn.module import Module

Block = list[tuple[str, Module]]


def blocks(model: Module) -> list[Block]:
    """Groups the parts of a model into blocks: each layer with a kernel, and the layers without one that follow it.

    Layers without a kernel (normalization, activation, dropout, PReLU) before the first kernel belong to the first
    block. A part that has parts, such as a residual block, counts as one layer. A model without kernels is one block.

    Returns:
        A list of blocks, each a list of (name, layer).
    """
    found: list[Block] = []
    leading: Block = []
    for name, part in model.children():
        if any(param.ndim >= 2 for param in part.parameters()):
            found.append([*leading, (name, part)])
            leading = []
        elif found:
            found[-1].append((name, part))
        else:
            leading.append((name, part))
    return found or ([leading] if leading else [])
