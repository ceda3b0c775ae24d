"""Fits in float64, for few examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.nn import Module
from minidnn.nn.finite import not_finite
from minidnn.nn.takes import Takes, takes_of
from minidnn.optim import Optimizer
from minidnn.tensor import Tensor
from minidnn.training import NonFiniteError


@contextmanager
def in_float64(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """Context manager: model and optimizer state are float64 inside; on exit they are rounded to float32.

    Two fits that differ only in the order of their sums then almost always leave the same float32 weights.

    Raises:
        NonFiniteError: float32 cannot hold a weight.
    """
    _cast(model, optimizer, np.float64)
    try:
        yield
    finally:
        with np.errstate(over="ignore"):
            _cast(model, optimizer, np.float32)
    if fault := not_finite(model):
        raise NonFiniteError(f"fit: in float32 {fault}. Try a smaller learning rate")


def _cast(model: Module, optimizer: Optimizer, dtype: Any) -> None:
    for tensor in model.tensors().values():
        tensor.data = kernels.aligned_copy(tensor.data.astype(dtype), place=0)
        tensor.version += 1
    for track in optimizer.tracks():
        track.param.grad = None
        track.slots = {
            name: kernels.aligned_copy(slot.astype(dtype), place)
            for place, (name, slot) in enumerate(track.slots.items(), start=1)
        }


@dataclass(frozen=True)
class Averaged:
    """The weighted mean of a loss, ``sum(w * loss) / sum(w)``.

    Integer weights are exact in float32: they have the same effect as repetitions.

    Args:
        loss: one of `minidnn.nn`, which gives ``sum(w * loss) / n``.
        mean: of the weights of all examples.
    """

    loss: Any
    mean: float

    @property
    def takes(self) -> Takes | None:
        """What the loss takes; see `minidnn.nn.takes`."""
        return takes_of(self.loss)

    def __call__(self, outputs: Tensor, targets: Any, weights: Any = None) -> Tensor:
        if weights is None:
            value: Tensor = self.loss(outputs, targets)
            return value
        return self.loss(outputs, targets, weights=weights) * (1.0 / self.mean)
