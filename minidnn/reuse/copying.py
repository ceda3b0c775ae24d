"""New networks from parts of old ones."""

from __future__ import annotations

import copy

from minidnn.checks import positive_integer
from minidnn.nn import Module, Sequential, blocks
from minidnn.nn.module import forget_penalties


def copy_lower(model: Sequential, upto: str | int, share: bool = False) -> Sequential:
    """The lower layers of a model, from the inputs up to one of them, as a new model.

    Args:
        upto: the name of the last layer, or how many layers from below. Depth is counted in `nn.blocks`: what follows
            that layer without a kernel of its own (normalization, activation, dropout) comes along.
        share: use the very same layers, so that training one model changes the other; otherwise copies of them, which
            are frozen where those are.

    Raises:
        TypeError: model is not a Sequential.
        ValueError: no layer of that name, or not so many.
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
    """The model without its n top layers, counted in `nn.blocks`; copies as `copy_lower` makes them.

    Raises:
        TypeError: model is not a Sequential.
        ValueError: n is below 1, or nothing would be left.
    """
    depth = _blocks("drop_top", model)
    if positive_integer("drop_top", "n", n) >= len(depth):
        raise ValueError(f"drop_top: n is {n}, the model has {len(depth)} layers with kernels: one must be left")
    return _sequential(model, [part for block in depth[:-n] for _, part in block], share)


def replace_top(model: Sequential, *layers: Module, n: int = 1, share: bool = False) -> Sequential:
    """The model with other layers in place of its n top ones, such as outputs for other classes::

        reuse.replace_top(digits, nn.Dense(50, 26, name="letters"))

    Args:
        layers: go in as they are; the lower ones are copies as `copy_lower` makes them.

    Raises:
        TypeError: model is not a Sequential, or a layer not a Module.
        ValueError: as `drop_top`; no layers; widths that do not fit.
    """
    if not layers:
        raise ValueError("replace_top: no layers are given; drop_top takes layers away")
    lower = drop_top(model, n, share)
    return _joined("replace_top", model, list(lower), list(layers))


def add_hidden(model: Sequential, *layers: Module, share: bool = False) -> Sequential:
    """The model with more hidden layers, right below its top layer::

        reuse.add_hidden(model, nn.Dense(50, 50, "relu", name="hidden4"))

    Args:
        layers: go in as they are; the others are copies as `copy_lower` makes them. The last must be as wide as what it
            stands in front of: the top layer keeps its weights.

    Raises:
        TypeError: model is not a Sequential, or a layer not a Module.
        ValueError: no layers; widths that do not fit; a model of a single layer.
    """
    if not layers:
        raise ValueError("add_hidden: no layers are given")
    depth = _blocks("add_hidden", model)
    if len(depth) < 2:
        raise ValueError("add_hidden: the model needs two layers with kernels, for there to be a place between")
    whole, height = list(_sequential(model, list(model), share)), len(depth[-1])
    return _joined("add_hidden", model, whole[:-height], list(layers), whole[-height:])


def _blocks(op: str, model: Sequential) -> list[list[tuple[str, Module]]]:
    if not isinstance(model, Sequential):
        raise TypeError(f"{op}: model must be a Sequential, got {type(model).__name__}")
    return blocks(model)


def _names(model: Sequential) -> str:
    return ", ".join(name for name, _ in model.children()) or "none"


def _sequential(model: Sequential, layers: list[Module], share: bool) -> Sequential:
    """A Sequential of some of the model's layers, or of copies; what the copied layers share, the copies share."""
    return Sequential(*(layers if share else copied(layers)), name=model.name)


def copied(layers: list[Module]) -> list[Module]:
    """Layers with copies of the weights, and no gradients."""
    for layer in layers:
        forget_penalties(layer)
    fresh = copy.deepcopy(layers)
    for layer in fresh:
        for tensor in layer.tensors().values():
            tensor.grad = None
    return fresh


def _joined(op: str, model: Sequential, *parts: list[Module]) -> Sequential:
    """The parts above each other; widths are compared where both sides tell theirs."""
    layers = [layer for part in parts for layer in part]
    width: tuple[str, int] | None = None
    for layer in layers:
        if not isinstance(layer, Module):
            raise TypeError(f"{op}: layers must be modules, got {type(layer).__name__}")
        n_in, n_out = getattr(layer, "n_in", getattr(layer, "n", None)), getattr(layer, "n_out", None)
        if width is not None and n_in is not None and n_in != width[1]:
            raise ValueError(f"{op}: {layer.label} takes {n_in} inputs, {width[0]} below it gives {width[1]}")
        if n_out is not None:
            width = layer.label, n_out
        elif any(param.ndim >= 2 for param in layer.parameters()):
            width = None  # it has its width within
    return Sequential(*layers, name=model.name)
