"""Inputs of mean 0 and standard deviation 1."""

from __future__ import annotations

import zlib
from typing import Any, overload

import numpy as np

from minidnn.data.datasets import CHUNK, Change, Dataset
from minidnn.data.targets import as_float32
from minidnn.data.types import Floats32, Indices


class Standardize:
    """``(x - mean) / std``, with the mean and deviation of the training set, and of no other.

    scale = data.Standardize(train)
    train, valid = scale(train), scale(valid)
    predictions = training.predict(model, scale(x))

    Args:
        train: the training set, from which mean and deviation are computed.
        per_feature: one mean and deviation for each input; False: one for all inputs, as is usual for images.

    Attributes:
        mean, std: float32 (n_in,), computed in float64; std divides by n, and is 1 for constant inputs, which become 0.

    Raises:
        ValueError: no examples, or an input that is not finite.
    """

    def __init__(self, train: Dataset, per_feature: bool = True) -> None:
        if not len(train):
            raise ValueError("Standardize: the data set is empty")
        mean, variance, constant = _moments(train)
        if not per_feature:
            whole = mean.mean()
            mean, variance = np.full_like(mean, whole), np.full_like(mean, (variance + (mean - whole) ** 2).mean())
            constant[:] = constant.all() and (train[:1].images == mean[0]).all()
        bad = np.flatnonzero(~np.isfinite(variance))
        if bad.size:
            name = train.columns[bad[0]] if train.columns else bad[0]
            raise ValueError(f"Standardize: input {name} is not finite in every example")
        self.mean: Floats32 = mean.astype(np.float32)
        self.std: Floats32 = np.sqrt(variance).astype(np.float32)
        self.std[constant | (self.std == 0)] = 1

    @overload
    def __call__(self, x: Dataset) -> Standardized: ...
    @overload
    def __call__(self, x: Floats32) -> Floats32: ...
    def __call__(self, x: Any) -> Any:
        """A data set whose batches are standardized, or the examples (n, n_in), in a new array.

        Raises:
            TypeError: x is not floating; other floats than float32 are converted.
            ValueError: another number of inputs.
        """
        if isinstance(x, Dataset):
            return Standardized(x, self)
        if getattr(getattr(x, "dtype", None), "kind", None) != "f":
            kind = getattr(x, "dtype", type(x).__name__)
            raise TypeError(f"Standardize: x must be a data set or floats, got {kind}")
        x = as_float32("Standardize", "x", x)
        if x.ndim != 2 or x.shape[1:] != self.mean.shape:
            raise ValueError(f"Standardize: x has shape {x.shape}, must be (n, {len(self.mean)})")
        y = x - self.mean
        y /= self.std
        return y


class Standardized(Dataset):
    """A data set seen through a `Standardize`, batch by batch; augmentation acts before it."""

    def __init__(self, dataset: Dataset, scale: Standardize) -> None:
        self.dataset, self.scale = dataset, scale
        self.y, self.classes, self.columns, self.slow = dataset.y, dataset.classes, dataset.columns, dataset.slow
        self.meaning = dataset.meaning.standardized(scale.mean, scale.std)

    def gather(self, order: Indices, change: Change | None = None) -> Floats32:
        return self.scale(self.dataset.gather(order, change))

    def check_finite(self, owner: str) -> None:
        self.dataset.check_finite(owner)

    def checksums(self) -> list[int]:
        own = [zlib.crc32(self.scale.mean.data), zlib.crc32(self.scale.std.data)]
        return [*self.dataset.checksums(), *own]


def _moments(dataset: Dataset) -> tuple[Any, Any, Any]:
    """Mean and variance of each input in float64, chunk by chunk (Chan, Golub & LeVeque 1983); and whether it is one
    number in every example, which the variance, being rounded, does not tell."""
    n, mean, squares, constant = 0, np.float64(0), np.float64(0), np.bool_(True)
    first = dataset[:1].images
    with np.errstate(invalid="ignore"):  # the caller reports values that are not finite
        for start in range(0, len(dataset), CHUNK):
            x = dataset[start : start + CHUNK].images.astype(np.float64)
            more, delta = len(x), x.mean(axis=0) - mean
            squares = squares + ((x - x.mean(axis=0)) ** 2).sum(axis=0) + delta**2 * (n * more / (n + more))
            mean = mean + delta * (more / (n + more))
            constant = constant & (x == first).all(axis=0)
            n += more
    return mean, squares / n, constant
