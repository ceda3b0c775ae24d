"""Weights alone, put into a model that is there: layers are paired by name or by order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import ConversionError, M, put
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Groups = Mapping[str, Mapping[str, Array]]
"""The tensors of each layer of theirs, by name."""
Table = Mapping[type[nn.Module], Mapping[str, str]]
"""Their name of a tensor -> ours, for each layer of ours that has any; ``kernel.T`` is transposed."""

ABSENT: Mapping[str, Any] = {"bias": np.zeros, "beta": np.zeros, "gamma": np.ones}
"""What a layer computes with where it has no such tensor, as in ``Linear(bias=False)``."""


def put_groups(who: str, groups: Groups, into: M, names: Mapping[str, str] | None, table: Table) -> M:
    """The model with these weights, in place, all of them or none.

    Args:
        who: the converter, for errors.
        names: their layer -> our layer; else they are paired in their order.

    Raises:
        ConversionError: layers that cannot be paired, tensors without counterpart, shapes that do not match.
    """
    layers = {path: layer for path, layer in into.named_modules() if _has_weights(layer)}
    found: dict[str, Array] = {}
    for theirs, ours in _pairs(who, list(groups), list(layers), names).items():
        tensors = _translated(who, theirs, groups[theirs], ours, layers[ours], table)
        found |= {f"{ours}.{name}" if ours else name: array for name, array in tensors.items()}
    return put(into, found, f"{who}: into")


def _has_weights(layer: nn.Module) -> bool:
    return any(isinstance(value, Tensor) for value in vars(layer).values())


def _pairs(who: str, theirs: list[str], ours: list[str], names: Mapping[str, str] | None) -> dict[str, str]:
    if names is None:
        if len(theirs) != len(ours):
            raise ConversionError(
                f"{who}: there are weights for {len(theirs)} layers ({', '.join(theirs)}), "
                f"the model has {len(ours)} ({', '.join(ours)}); names=... can pair them"
            )
        return dict(zip(theirs, ours, strict=True))
    pairs = {layer: names.get(layer, layer) for layer in theirs}
    faults = [f"names has {layer}, which has no weights there" for layer in names if layer not in theirs]
    faults += [f"the model has no layer {mine} for {layer}" for layer, mine in pairs.items() if mine not in ours]
    if faults:
        raise ConversionError(f"{who}: {'; '.join(faults)}")
    return pairs


def _translated(
    who: str, theirs: str, group: Mapping[str, Array], ours: str, layer: nn.Module, table: Table
) -> dict[str, Array]:
    known = table.get(type(layer))
    if known is None:
        raise ConversionError(f"{who}: layer {ours} is a {type(layer).__name__}, which has no counterpart there")
    unknown = [f"{theirs}.{name}" for name in group if name not in known]
    if unknown:
        raise ConversionError(f"{who}: {', '.join(unknown)} has no counterpart in {ours}, a {type(layer).__name__}")
    tensors = {
        known[name].removesuffix(".T"): array.T if known[name].endswith(".T") else array
        for name, array in group.items()
    }
    for name, make in ABSENT.items():
        if name in known.values() and name not in tensors:
            tensors[name] = make(getattr(layer, name).shape, np.float32)
    if isinstance(layer, nn.PReLU) and tensors["slopes"].size == 1:
        tensors["slopes"] = np.full(layer.n_in, tensors["slopes"].item(), np.float32)
    return tensors
