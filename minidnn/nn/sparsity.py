"""Selection of the smallest weights, for pruning after and during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from minidnn.checks import number
from minidnn.nn.module import Module
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Scope = Literal["layer", "global"]


def prunable(owner: str, model: Module, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
    """The parameters that can be pruned, by path.

    Args:
        layers: paths of layers, whose kernels (parameters with two or more axes) are pruned, or of single parameters
            (``"hidden1.bias"``). None: every kernel of the model.

    Raises:
        TypeError: layers is a string.
        ValueError: the model has no such path, or there is nothing to prune.
    """
    parameters: dict[str, Tensor] = dict(model.named_parameters())
    kernels = {path: param for path, param in parameters.items() if param.ndim >= 2}
    if layers is None:
        chosen = kernels
    elif isinstance(layers, str):
        raise TypeError(f"{owner}: layers must be a list of paths, got {layers!r}")
    else:
        chosen = {}
        for name in layers:
            inside = {path: param for path, param in kernels.items() if path.startswith(f"{name}." if name else "")}
            found = {name: parameters[name]} if name in parameters else inside
            if not found:
                raise ValueError(f"{owner}: no kernel in {name!r}; there are {', '.join(kernels) or 'none'}")
            chosen |= found
    if not chosen:
        fault = "layers is empty" if layers is not None else "the model has no kernel (two axes or more)"
        raise ValueError(f"{owner}: nothing to prune: {fault}")
    return chosen


def magnitudes(owner: str, parameters: Mapping[str, Tensor]) -> dict[str, Array]:
    """The absolute values of the parameters.

    Raises:
        ValueError: a value is NaN; the message names the parameter.
    """
    found = {path: np.abs(param.data) for path, param in parameters.items()}
    for path, values in found.items():
        if np.isnan(values).any():
            raise ValueError(f"{owner}: {path} holds NaN")
    return found


def keep_largest(values: Mapping[str, Array], fraction: float, scope: Scope) -> dict[str, Array]:
    """Masks, False at the ``round(fraction * size)`` smallest values of each array, or of all arrays together.

    The count is exact: of equal values the first ones are masked.
    """
    if scope == "layer":
        return {path: ~_smallest(value.reshape(-1), fraction).reshape(value.shape) for path, value in values.items()}
    together = np.concatenate([value.reshape(-1) for value in values.values()])
    ends = np.cumsum([value.size for value in values.values()])[:-1]
    parts = np.split(~_smallest(together, fraction), ends)
    return {path: part.reshape(value.shape) for (path, value), part in zip(values.items(), parts, strict=True)}


def check_fraction(owner: str, value: float) -> float:
    """Returns the value as a float in [0, 1].

    Raises:
        TypeError: it is not a number.
        ValueError: it is out of range.
    """
    value = number(owner, "fraction", value)
    if value > 1:
        raise ValueError(f"{owner}: fraction must be in [0, 1], got {value}")
    return value


def check_scope(owner: str, scope: str) -> None:
    """Raises a ValueError unless the scope is "layer" or "global"."""
    if scope not in get_args(Scope):
        raise ValueError(f"{owner}: scope must be 'layer' or 'global', got {scope!r}")


def _smallest(values: Array, fraction: float) -> Array:
    """Whether each value of a vector is among the ``round(fraction * size)`` smallest."""
    count = round(fraction * values.size)
    if count == 0:
        return np.zeros(values.shape, bool)
    threshold = np.partition(values, count - 1)[count - 1]
    chosen = values < threshold
    ties = np.flatnonzero(values == threshold)
    chosen[ties[: count - np.count_nonzero(chosen)]] = True
    return chosen
