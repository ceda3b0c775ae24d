"""Copies weights into an existing model; layers are paired by name or by order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import ConversionError, M, put
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Groups = Mapping[str, Mapping[str, Array]]
"""The source's tensors: layer -> name of a tensor -> array."""
Table = Mapping[type[nn.Module], Mapping[str, str]]
"""For each class of layer: name of a tensor in the source -> our name; ``.T`` marks a transposed one."""

ABSENT: Mapping[str, Any] = {"bias": np.zeros, "beta": np.zeros, "gamma": np.ones}
"""The values of tensors that a layer of the source lacks, as in ``Linear(bias=False)``."""


def put_groups(who: str, groups: Groups, into: M, names: Mapping[str, str] | None, table: Table) -> M:
    """Loads these weights into a model, in place, all of them or none, and returns it.

    Args:
        who: the converter's name, for error messages.
        names: layer of the source -> path of our layer; by default layers are paired in order.

    Raises:
        ConversionError: layers cannot be paired, a tensor has no counterpart, or shapes do not match.
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
                f"the model has {len(ours)} ({', '.join(ours)}); pair them with names={{...}}"
            )
        return dict(zip(theirs, ours, strict=True))
    pairs = {layer: names.get(layer, layer) for layer in theirs}
    faults = [f"names has {layer}, which has no weights in the source" for layer in names if layer not in theirs]
    faults += [f"the model has no layer {mine} for {layer}" for layer, mine in pairs.items() if mine not in ours]
    if faults:
        raise ConversionError(f"{who}: {'; '.join(faults)}")
    return pairs


def _translated(
    who: str, theirs: str, group: Mapping[str, Array], ours: str, layer: nn.Module, table: Table
) -> dict[str, Array]:
    known = table.get(type(layer))
    if known is None:
        raise ConversionError(
            f"{who}: layer {ours} is a {type(layer).__name__}, which has no counterpart in the source"
        )
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
