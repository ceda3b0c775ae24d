"""Weights of classes and of examples."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn.data.datasets import Change, Dataset
from minidnn.data.targets import are_classes, parts_of
from minidnn.data.types import Floats32, Indices
from minidnn.reference.types import Array


def example_weights(dataset: Dataset, class_weight: Any, sample_weight: Any) -> Floats32 | None:
    """One weight per example, ``class weight * sample weight``, float32 (n,); None if neither is given.

    Args:
        class_weight: class -> weight (by number, or by name if the data set has names; 1 for a missing class), an array
            of one weight per class, or "balanced": ``n / (classes * count)``, as in scikit-learn.
        sample_weight: (n,), or "balanced".

    Raises:
        TypeError, ValueError: weights that are not numbers, negative, not finite, of another length, or all 0; an
            unknown class; targets that are not class numbers.
    """
    if class_weight is None and sample_weight is None:
        return None
    n = len(dataset)
    weights = np.ones(n)
    if class_weight is not None:
        weights = weights * _of_classes(dataset, class_weight, "class_weight")
    if isinstance(sample_weight, str):
        weights = weights * _of_classes(dataset, sample_weight, "sample_weight")
    elif sample_weight is not None:
        given = _numbers("sample_weight", sample_weight)
        if given.shape != (n,):
            raise ValueError(f"fit: sample_weight has shape {given.shape}, must be ({n},), one for each example")
        weights = weights * given
    if not weights.any():
        raise ValueError("fit: class_weight and sample_weight make all weights 0, one must be above 0")
    return weights.astype(np.float32)


def _of_classes(dataset: Dataset, given: Any, argument: str) -> Array:
    y = np.asarray(dataset.y) if are_classes(dataset.y) else np.full(1, -1)
    if len(y) and y.min() < 0:
        raise ValueError(
            f"fit: {argument} is {_shown(given)}, which needs class numbers (n,) from 0 on as targets; give "
            "sample_weight=array with one weight per example"
        )
    classes = max(int(y.max()) + 1 if len(y) else 1, len(dataset.classes))
    if isinstance(given, str):
        if given != "balanced":
            raise ValueError(f"fit: {argument} is {given!r}, must be 'balanced' or weights")
        counts = np.bincount(y, minlength=classes)
        balanced: Array = (len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[y]
        return balanced
    if not isinstance(given, Mapping):
        table = _numbers(argument, given)
        if table.ndim != 1 or len(table) < classes:
            raise ValueError(
                f"fit: {argument} has shape {table.shape}, must have a weight for each of {classes} classes"
            )
        return table[y]
    places: dict[Any, int] = {name: place for place, name in enumerate(dataset.classes)}
    places |= {place: place for place in range(classes)}
    table = np.ones(classes)
    for key, value in given.items():
        if key not in places:
            known = ", ".join(map(str, dataset.classes or range(classes)))
            raise ValueError(f"fit: {argument} has the class {key!r}; there are {known}")
        table[places[key]] = _numbers(argument, value)
    return table[y]


def _numbers(argument: str, given: Any) -> Array:
    values = np.asarray(given)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"fit: {argument} must be numbers, got {_shown(given)}")
    values = values.astype(np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"fit: {argument} must be finite and not negative, got {values.min()} to {values.max()}")
    return values


def _shown(given: Any) -> str:
    return repr(given) if isinstance(given, (str, Mapping)) else type(given).__name__


class Weighted(Dataset):
    """A data set with one weight per example after its targets."""

    def __init__(self, dataset: Dataset, weights: Floats32) -> None:
        self.dataset, self.weights = dataset, weights
        self.y = (*parts_of(dataset.y), weights)
        self.classes, self.columns, self.slow = dataset.classes, dataset.columns, dataset.slow

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        return self.dataset.gather(order, change)

    def check(self) -> None:
        self.dataset.check()

    def checksums(self) -> list[int]:
        return [*self.dataset.checksums(), zlib.crc32(self.weights.data)]
