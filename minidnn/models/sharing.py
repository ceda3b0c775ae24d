"""Tied tensors of a model, and the comparison of the structure of two models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any

from minidnn.nn import Module, Parameter
from minidnn.tensor import Tensor


def ties(model: Module) -> dict[str, str]:
    """Attributes that hold a tensor that an earlier attribute holds: path -> path of the earlier one.

    Tensors that are shared because their layer is shared are left out.
    """
    first: dict[int, str] = {}
    found = {}
    for path, _, _, tensor in _attributes(model):
        if first.setdefault(id(tensor), path) != path:
            found[path] = first[id(tensor)]
    return found


def tie(model: Module, tied: Mapping[str, str]) -> None:
    """Replaces the tensor at each path by the tensor at the other path.

    Raises:
        ValueError: a path does not exist, or the shapes differ.
    """
    places = {path: (module, name) for path, module, name, _ in _attributes(model)}
    for path, source in tied.items():
        if path not in places or source not in places:
            raise ValueError(f"{path} cannot be tied to {source}: there are no such tensors")
        (module, name), (other, name_there) = places[path], places[source]
        tensor = getattr(other, name_there)
        if getattr(module, name).shape != tensor.shape:
            raise ValueError(f"{path} cannot be tied to {source}: the shapes differ")
        setattr(module, name, tensor)


def unlike(model: Module, other: Module) -> str | None:
    """Describes the first difference between two models: a layer, a tensor, its shape, penalty or constraint, a tie.

    Values and dtypes are not compared. None if the structures are equal.
    """
    mine, theirs = _structure(model), _structure(other)
    for path in [*mine, *theirs]:
        if mine.get(path) != theirs.get(path):
            return f"{path or 'the model'} is {mine.get(path, 'absent')}, would be {theirs.get(path, 'absent')}"
    return None


def _attributes(model: Module) -> Iterator[tuple[str, Module, str, Tensor]]:
    """Every attribute that is a tensor: its path, module, name and tensor. A shared module appears once."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        if id(module) not in seen:
            seen.add(id(module))
            for name, value in vars(module).items():
                if isinstance(value, Tensor):
                    yield (f"{path}.{name}" if path else name), module, name, value


def _structure(model: Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    first: dict[int, str] = {}
    for path, module in model.named_modules():
        found[path] = f"the layer {first.setdefault(id(module), path)}, a {type(module).__name__}"
    kept = attrgetter("regularizer", "constraint")
    for path, _, _, tensor in _attributes(model):
        kind = type(tensor).__name__
        found[path] = f"a {kind} {tensor.shape}" + (f" with {kept(tensor)}" if isinstance(tensor, Parameter) else "")
    # Tensors in lists and dicts, which cannot be tied.
    listed = {path: f"a tensor {tensor.shape}" for path, tensor in model.tensors().items() if path not in found}
    return found | listed | {path: f"the same as {source}" for path, source in ties(model).items()}
