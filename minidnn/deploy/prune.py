"""Magnitude pruning: small weights become zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minidnn.checks import number
from minidnn.columns import columns
from minidnn.nn import Module
from minidnn.nn.sparsity import Scope, check_fraction, check_scope, keep_largest, magnitudes, prunable
from minidnn.tensor import Tensor


@dataclass(frozen=True)
class LayerSparsity:
    """How many of a parameter's elements are zero.

    Attributes:
        path: such as ``hidden1.kernel``.
        size: how many elements it has.
        zeros: how many of them are zero.
    """

    path: str
    size: int
    zeros: int

    @property
    def density(self) -> float:
        """The share of elements that are not zero."""
        return (self.size - self.zeros) / max(self.size, 1)


@dataclass(frozen=True)
class Sparsity:
    """The zeros of a model, parameter by parameter; printed, it is a table."""

    layers: tuple[LayerSparsity, ...]

    @property
    def size(self) -> int:
        """How many elements there are."""
        return sum(layer.size for layer in self.layers)

    @property
    def zeros(self) -> int:
        """How many of them are zero."""
        return sum(layer.zeros for layer in self.layers)

    @property
    def density(self) -> float:
        """The share of elements that are not zero."""
        return (self.size - self.zeros) / max(self.size, 1)

    def __str__(self) -> str:
        layers = [*self.layers, LayerSparsity("all", self.size, self.zeros)]
        rows = [(layer.path, f"{layer.size:,}", f"{layer.zeros:,}", f"{layer.density:.2%}") for layer in layers]
        return columns([("", "size", "zeros", "density"), *rows])


def prune(
    model: Module,
    *,
    threshold: float | None = None,
    fraction: float | None = None,
    scope: Scope = "layer",
    layers: Sequence[str] | None = None,
) -> Sparsity:
    """Sets small weights to zero, in place: the smallest fraction, or all with ``|w| < threshold``.

    Magnitude pruning (Han et al. 2015): after training, most weights hardly matter. Training on with fixed zeros
    (`training.KeepZeros`) regains accuracy; gradual pruning (`training.Prune`) allows more zeros.

    Args:
        threshold: at least 0.
        fraction: in [0, 1]. ``round(fraction * size)`` elements are zero afterwards, or more if more were zero
            before; among equal magnitudes the first elements are pruned first.
        scope: "layer" takes the fraction of each kernel, "global" of all kernels together, so that a layer of small
            weights loses more.
        layers: paths of layers (``"hidden1"``), whose kernels are pruned, or of single parameters
            (``"hidden1.bias"``); None for every kernel, that is every parameter of two axes or more, and no bias.

    Returns:
        The zeros of these parameters after pruning; see also `sparsity`.

    Raises:
        TypeError, ValueError: neither or both of threshold and fraction, one out of range, an unknown scope or layer, a
            weight that is NaN; nothing is changed.
    """
    if (threshold is None) == (fraction is None):
        raise ValueError(f"prune: give either threshold or fraction, got threshold={threshold}, fraction={fraction}")
    check_scope("prune", scope)
    parameters = prunable("prune", model, layers)
    values = magnitudes("prune", parameters)
    if fraction is not None:
        kept = keep_largest(values, check_fraction("prune", fraction), scope)
    elif threshold is not None:
        limit = number("prune", "threshold", threshold)
        kept = {path: value >= limit for path, value in values.items()}
    for path, mask in kept.items():
        parameters[path].data[~mask] = 0
        parameters[path].version += 1
    return _count(parameters)


def sparsity(model: Module, layers: Sequence[str] | None = None) -> Sparsity:
    """The zeros of each kernel, and of all together.

    Args:
        layers: as for `prune`.

    Raises:
        TypeError, ValueError: an unknown layer, or no kernel at all.
    """
    return _count(prunable("sparsity", model, layers))


def density(model: Module) -> float:
    """The share of the kernels' elements that are not zero.

    Raises:
        ValueError: the model has no kernel.
    """
    return _count(prunable("density", model)).density


def _count(parameters: Mapping[str, Tensor]) -> Sparsity:
    return Sparsity(
        tuple(
            LayerSparsity(path, param.data.size, param.data.size - int(np.count_nonzero(param.data)))
            for path, param in parameters.items()
        )
    )
