"""A summary of a model in one line."""

from __future__ import annotations

from minidnn import nn

LONGEST = 500


def summary(model: nn.Module) -> str:
    """The layers in order, such as ``Dense 784-300 relu, Dropout 0.5, Dense 300-10``."""
    text = ", ".join(_parts(model))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _parts(module: nn.Module) -> list[str]:
    if isinstance(module, nn.Sequential):
        return [part for layer in module for part in _parts(layer)]
    kind = type(module).__name__
    if isinstance(module, nn.Dense):
        activation = module.activation
        called = activation if isinstance(activation, str) else type(activation).__name__ if activation else ""
        return [f"Dense {module.n_in}-{module.n_out} {called}".rstrip()]
    inner = [part for _, child in module.children() for part in _parts(child)]
    if inner:
        return [f"{kind}({', '.join(inner)})"]
    setting = next((getattr(module, name) for name in ("rate", "n", "n_in") if hasattr(module, name)), "")
    return [f"{kind} {setting}".rstrip()]
