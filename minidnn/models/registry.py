"""The layers and values that a file can name: minidnn's own and registered ones, as JSON."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.nn import initializers
from minidnn.nn.registering import REGISTERED, name_of
from minidnn.pretraining import auxiliary
from minidnn.pretraining.autoencoder import Autoencoder
from minidnn.pretraining.corruption import gaussian_noise, kl_sparsity, masking
from minidnn.pretraining.rbm import RBM

LAYERS: dict[str, type[nn.Module]] = {
    layer.__name__: layer
    for layer in (
        Autoencoder,
        RBM,
        nn.AlphaDropout,
        nn.BatchNorm,
        nn.Dense,
        nn.DropConnect,
        nn.Dropout,
        nn.Embedding,
        nn.EmbeddingBag,
        nn.Flatten,
        nn.GaussianNoise,
        nn.Graph,
        nn.GroupNorm,
        nn.LayerNorm,
        nn.Normalization,
        nn.PReLU,
        nn.RMSNorm,
        nn.Rescaling,
        nn.Reshape,
        nn.Residual,
        nn.Sequential,
        nn.SkipConcat,
        nn.Weight,
        auxiliary.Difference,
        auxiliary.Distance,
        auxiliary.TwoTower,
        *(getattr(nn, name) for name in nn.activations.__all__),
    )
}

VALUES: dict[str, type] = {
    value.__name__: value
    for value in (
        gaussian_noise,
        kl_sparsity,
        masking,
        initializers.constant,
        initializers.orthogonal,
        initializers.uniform,
        initializers.variance_scaling,
        nn.Node,
        *nn.functions.FUNCTIONS,
        nn.l1,
        nn.l1_l2,
        nn.l2,
        nn.max_norm,
        nn.non_neg,
        nn.unit_norm,
    )
}

DEEPEST = 200
"""The maximum nesting depth (a nested Sequential takes two levels). A deeper file could overflow the stack."""


MOST = 1_000_000
"""The maximum number of layers in a model; a shared layer counts each time. Without it, a short file with "same" at
each of 90 levels would describe more layers than can ever be visited."""


class UnknownPartError(ValueError):
    """A part has no name in the registry, or its description is invalid."""


def describe(
    part: Any, where: str = "the model", depth: int = 0, seen: dict[int, tuple[int, dict[str, Any]]] | None = None
) -> Any:
    """Describes a part as JSON: numbers, strings, None, lists, and ``{"type": name, argument: ...}``.

    A shared layer has a number ``"id"`` the first time, and is ``{"same": id}`` after that.

    Args:
        where: the name of the part in error messages.
        depth: its nesting depth.
        seen: id(layer) -> (number, description) of the layers described so far.

    Raises:
        UnknownPartError: a layer or value is not in the registry, such as a function given as an activation; or parts
            are nested deeper than `DEEPEST`.
    """
    seen = {} if seen is None else seen
    if depth > DEEPEST:
        raise UnknownPartError(f"{where}: a file cannot hold parts nested more than {DEEPEST} deep")
    if part is None or isinstance(part, (bool, int, str)) or (isinstance(part, float) and math.isfinite(part)):
        return part
    if isinstance(part, (list, tuple)):
        return [describe(item, f"{where}[{i}]", depth + 1, seen) for i, item in enumerate(part)]
    if isinstance(part, np.generic):
        return describe(part.item(), where, depth, seen)
    name = layer_name(type(part)) or type(part).__name__
    if layer_of(name) is type(part):
        if id(part) in seen:
            number, first = seen[id(part)]
            first["id"] = number
            return {"same": number}
        described: dict[str, Any] = {"type": name}
        seen[id(part)] = len(seen), described
        for key, value in part.config().items():
            described[key] = describe(value, f"{where}.{key}", depth + 1, seen)
        return described
    if VALUES.get(name) is type(part):
        values = {key: describe(value, f"{where}.{key}", depth + 1, seen) for key, value in vars(part).items()}
        return {"type": name} | values
    raise UnknownPartError(
        f"{where} is {part!r}, which has no name in a file; {_remedy(part)}. The weights alone can be saved: "
        "save(model, path, architecture=False)"
    )


def _remedy(part: Any) -> str:
    if isinstance(part, nn.Module):
        return f"put @nn.register above class {type(part).__name__}"
    return "only minidnn's own layers, initializers, regularizers and constraints, and registered layers, have one"


def layer_of(name: Any) -> type[nn.Module] | None:
    """The layer of that name in files; None if there is none."""
    return LAYERS.get(name) or REGISTERED.get(name) if isinstance(name, str) else None


def layer_name(layer: type[nn.Module]) -> str | None:
    """The name of a layer in files; None if it is neither minidnn's nor registered."""
    name = layer.__name__ if LAYERS.get(layer.__name__) is layer else name_of(layer)
    return name if layer_of(name) is layer else None


class _Made:
    """The parts built so far that have an ``"id"``, and the number of layers in each module."""

    def __init__(self) -> None:
        self.parts: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}

    def keep(self, part: Any, number: Any, where: str) -> Any:
        if isinstance(part, nn.Module):
            size = 1 + sum(self._sizes.get(id(child), 1) for _, child in part.children())
            if size > MOST:
                raise UnknownPartError(f"{where} holds more than {MOST:,} layers")
            self._sizes[id(part)] = size
        if isinstance(number, int):
            self.parts[number] = part
        return part


def build(description: Any, where: str = "the model", depth: int = 0, made: _Made | None = None) -> Any:
    """Builds the part of a description.

    Args:
        where: the name of the part in error messages.
        depth: its nesting depth.
        made: the parts built so far.

    Raises:
        UnknownPartError: a name is not in the registry, or its arguments are invalid; no earlier part has an ``"id"``;
            parts are nested deeper than `DEEPEST`; there are more layers than `MOST`.
    """
    made = _Made() if made is None else made
    if depth > DEEPEST:
        raise UnknownPartError(f"{where}: parts are nested more than {DEEPEST} deep")
    if isinstance(description, list):
        return [build(item, f"{where}[{i}]", depth + 1, made) for i, item in enumerate(description)]
    if not isinstance(description, dict):
        return description
    if description.keys() == {"same"}:
        if not isinstance(description["same"], int) or description["same"] not in made.parts:
            raise UnknownPartError(f"{where} is the same as {description['same']!r}, the id of no earlier part")
        return made.parts[description["same"]]
    arguments = dict(description)
    name, number = arguments.pop("type", None), arguments.pop("id", None)
    make: Any = layer_of(name) or VALUES.get(name) if isinstance(name, str) else None
    if make is None:
        remedy = "a layer of your own must be registered, @nn.register, before the file is loaded"
        raise UnknownPartError(f"{where} is of type {name!r}, which minidnn does not know; {remedy}")
    built = {key: build(value, f"{where}.{key}", depth + 1, made) for key, value in arguments.items()}
    variadic = [
        p.name for p in inspect.signature(make).parameters.values() if p.kind is inspect.Parameter.VAR_POSITIONAL
    ]
    try:
        parts = [part for argument in variadic for part in built.pop(argument, [])]
        part = make(*parts, **built)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnknownPartError(f"{where}: {name} cannot be built: {error}") from error
    return made.keep(part, number, where)
