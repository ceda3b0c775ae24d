"""The layers of a model as blocks, which is how depth is counted."""

from __future__ import annotations

from minidnn.nn.module import Module

Block = list[tuple[str, Module]]


def blocks(model: Module) -> list[Block]:
    """The parts of the model by name, grouped: a layer with a kernel, and those without that follow it.

    What has no kernel of its own (normalization, activation, dropout, PReLU) goes with the layer before it; what stands
    at the very beginning goes with the first. A part that is itself made of parts, such as a residual block, counts
    once. In a model without kernels all is one block.
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
