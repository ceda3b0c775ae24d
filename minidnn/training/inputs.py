"""Number of inputs of a model, from the signature of its ``forward``."""

from __future__ import annotations

import inspect

from minidnn.nn import Graph, Module


def takes_inputs(model: Module, count: int) -> bool:
    """Whether the model takes exactly this number of inputs."""
    needed, _ = _arguments(model)
    return needed is not None and len(needed) == count


def inputs_fault(model: Module, count: int) -> str | None:
    """An error text if the model does not take this number of inputs; None if it does or only a call can tell."""
    needed, allowed = _arguments(model)
    if needed is None or len(needed) <= count <= allowed:
        return None
    takes = f"{len(needed)} ({', '.join(needed)})" if needed else "none"
    return f"the data have {count} input{'' if count == 1 else 's'}, {model.label} takes {takes}"


def _arguments(model: Module) -> tuple[list[str] | None, float]:
    """The names of the required inputs and the maximum number of inputs; None for a ``forward(*xs)``."""
    if isinstance(model, Graph):
        return list(model.inputs), len(model.inputs)
    try:
        places = [p for p in inspect.signature(model.forward).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    except (TypeError, ValueError):
        return None, 0
    if any(place.kind is place.VAR_POSITIONAL for place in places):
        return None, 0
    places = [place for place in places if place.kind is not place.VAR_KEYWORD]
    return [place.name for place in places if place.default is place.empty], len(places)
