"""New networks from parts of old ones."""

from __future__ import annotations

import copy

from minidnn.checks import positive_integer
from minidnn.nn import Module, Sequential, blocks
from minidnn.nn.module import forget_penalties


def copy_lower(model: Sequential, upto: str | int, share: bool = False) -> Sequential:
    """The lower layers of a model, from the inputs up to one of them, as a new model.

    Args:
        upto: the name of the last layer, or the number of layers, counted in `nn.blocks`: layers without a kernel
            (normalization, activation, dropout) that follow the last one are included.
        share: use the same layer objects, so that training one model changes the other. False copies them; a copy of a
            frozen layer is frozen.

    Raises:
        TypeError: model is not a Sequential.
        ValueError: there is no layer of that name, or the model has fewer layers.
    """
    depth = _blocks("copy_lower", model)
    if isinstance(upto, str):
        places = [place for place, block in enumerate(depth) if upto in [name for name, _ in block]]
        if not places:
            raise ValueError(f"copy_lower: no layer is called {upto!r}; there are {_names(model)}")
        count = places[0] + 1
    else:
        count = positive_integer("copy_lower", "upto", upto)
        if count > len(depth):
            raise ValueError(f"copy_lower: upto is {count}, the model has {len(depth)} layers with kernels")
    return _sequential(model, [part for block in depth[:count] for _, part in block], share)


def drop_top(model: Sequential, n: int = 1, share: bool = False) -> Sequential:
    """The model without its n top layers, counted in `nn.blocks`; the others are copied or shared as in `copy_lower`.

    Raises:
        TypeError: model is not a Sequential.
        ValueError: n is below 1, or nothing would be left.
    """
    depth = _blocks("drop_top", model)
    if positive_integer("drop_top", "n", n) >= len(depth):
        raise ValueError(
            f"drop_top: n is {n}, the model has {len(depth)} layers with kernels: at least one must remain"
        )
    return _sequential(model, [part for block in depth[:-n] for _, part in block], share)


def replace_top(model: Sequential, *layers: Module, n: int = 1, share: bool = False) -> Sequential:
    """The model with its n top layers replaced, for example by outputs for other classes::

        reuse.replace_top(digits, nn.Dense(50, 26, name="letters"))

    Args:
        layers: the new layers, not copied; the lower ones are copied or shared as in `copy_lower`.

    Raises:
        TypeError: model is not a Sequential, or a layer is not a Module.
        ValueError: as `drop_top`; no layers are given; widths do not fit.
    """
    if not layers:
        raise ValueError("replace_top: no layers are given; use drop_top to remove layers")
    lower = drop_top(model, n, share)
    return _joined("replace_top", model, list(lower), list(layers))


def add_hidden(model: Sequential, *layers: Module, share: bool = False) -> Sequential:
    """The model with additional hidden layers directly below its top layer::

        reuse.add_hidden(model, nn.Dense(50, 50, "relu", name="hidden4"))

    Args:
        layers: the new layers, not copied; the others are copied or shared as in `copy_lower`. The last one must
            have the input width of the top layer, which keeps its weights.

    Raises:
        TypeError: model is not a Sequential, or a layer is not a Module.
        ValueError: no layers are given; widths do not fit; the model has fewer than two layers with kernels.
    """
    if not layers:
        raise ValueError("add_hidden: no layers are given")
    depth = _blocks("add_hidden", model)
    if len(depth) < 2:
        raise ValueError("add_hidden: the model must have at least two layers with kernels")
    whole, height = list(_sequential(model, list(model), share)), len(depth[-1])
    return _joined("add_hidden", model, whole[:-height], list(layers), whole[-height:])


def _blocks(op: str, model: Sequential) -> list[list[tuple[str, Module]]]:
    if not isinstance(model, Sequential):
        raise TypeError(f"{op}: model must be a Sequential, got {type(model).__name__}")
    return blocks(model)


def _names(model: Sequential) -> str:
    return ", ".join(name for name, _ in model.children()) or "none"


def _sequential(model: Sequential, layers: list[Module], share: bool) -> Sequential:
    """A Sequential of some of the model's layers, or of copies, which share tensors as the layers do."""
    return Sequential(*(layers if share else copied(layers)), name=model.name)


def copied(layers: list[Module]) -> list[Module]:
    """Deep copies of layers, without gradients."""
    for layer in layers:
        forget_penalties(layer)
    fresh = copy.deepcopy(layers)
    for layer in fresh:
        for tensor in layer.tensors().values():
            tensor.grad = None
    return fresh


def _joined(op: str, model: Sequential, *parts: list[Module]) -> Sequential:
    """A Sequential of the parts; checks the widths of adjacent layers if both are known."""
    layers = [layer for part in parts for layer in part]
    width: tuple[str, int] | None = None
    for layer in layers:
        if not isinstance(layer, Module):
            raise TypeError(f"{op}: layers must be modules, got {type(layer).__name__}")
        n_in, n_out = getattr(layer, "n_in", getattr(layer, "n", None)), getattr(layer, "n_out", None)
        if width is not None and n_in is not None and n_in != width[1]:
            raise ValueError(f"{op}: {layer.label} takes {n_in} inputs, {width[0]} below it has {width[1]} outputs")
        if n_out is not None:
            width = layer.label, n_out
        elif any(param.ndim >= 2 for param in layer.parameters()):
            width = None  # its output width is unknown
    return Sequential(*layers, name=model.name)
