"""Mixup of examples and their targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn.checks import number, positive_integer
from minidnn.data.targets import Targets, as_array, each
from minidnn.data.types import Indices, Key
from minidnn.pipeline import example_bits
from minidnn.reference.types import Array

PLACE = 130  # of the random words; see minidnn.data.corrupt


class Mixup:
    """``x = s * x + (1 - s) * x'``, and the same for the targets; x' is the previous example in the batch.

    Zhang et al. 2018. Batches are in random order, so x' is a random example.

    ::

        training.fit(model, train, augment=augment.Mixup(classes=10), ...)

    Class numbers become probabilities (batch, classes), which `nn.softmax_cross_entropy` takes; numbers and 0/1 columns
    stay what they are.

    Args:
        strength: in (0, 1]; the weight 1 - s of the other example is uniform in [0, strength / 2).
        classes: the number of classes, if targets are class numbers.

    Raises:
        TypeError, ValueError: an argument out of range; in a batch: class numbers without ``classes``, or beyond it.
    """

    changes_targets = True

    def __init__(self, strength: float = 1.0, classes: int | None = None) -> None:
        self.strength = number("Mixup", "strength", strength)
        if not 0 < self.strength <= 1:
            raise ValueError(f"Mixup: strength must be in (0, 1], got {strength}")
        self.classes = None if classes is None else positive_integer("Mixup", "classes", classes)

    def __call__(self, x: Any, y: Targets, examples: Indices, key: Key) -> tuple[Any, Targets]:
        x, y = each(x, np.asarray), each(y, np.asarray)
        bits = example_bits(examples, 1, key, PLACE)[:, 0]
        other = (self.strength / 2 * (bits.astype(np.float64) / 2**32)).astype(np.float32)
        return (
            each(x, lambda part: _mixed(as_array("Mixup", "x", part), other)),
            each(y, lambda part: _mixed(self._shares(as_array("Mixup", "y", part)), other)),
        )

    def _shares(self, y: Array) -> Array:
        """Class numbers one-hot encoded; all other targets as float32."""
        if y.dtype.kind != "i" or y.ndim != 1:
            return y.astype(np.float32, copy=False)
        if self.classes is None:
            raise ValueError("Mixup: targets are class numbers, so classes must be given, Mixup(classes=10)")
        if y.size and not 0 <= y.min() <= y.max() < self.classes:
            raise ValueError(f"Mixup: class numbers must be in [0, {self.classes}), got {y.min()} to {y.max()}")
        return np.eye(self.classes, dtype=np.float32)[y]

    def __repr__(self) -> str:
        return f"Mixup(strength={self.strength:g}, classes={self.classes})"


def _mixed(part: Array, other: Array) -> Array:
    share = other.reshape(-1, *[1] * (part.ndim - 1))
    mixed: Array = (np.float32(1) - share) * part + share * np.roll(part, 1, axis=0)
    return mixed
