"""Compares a compiled model with the original: differences of outputs and accuracy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minidnn.deploy.stages import Activation, Product, Program
from minidnn.reference.types import Array

Z = 1.959964
"""95 % of a normal distribution lie within this many standard deviations."""


class Loss(NamedTuple):
    """Differences between the outputs of the original and the compiled model on the calibration examples.

    Attributes:
        largest, mean: the largest and the mean absolute difference.
        changed: the share of examples whose predicted class changed, see `classes_of`.
        examples: the number of examples.
    """

    largest: float
    mean: float
    changed: float
    examples: int


class Validation(NamedTuple):
    """Correct predictions of the original and the compiled model on labelled examples.

    Attributes:
        examples: the number of examples.
        before, after: the number that the original and the compiled model classify correctly.
        changed: the number whose predicted class changed.
    """

    examples: int
    before: int
    after: int
    changed: int

    @property
    def points(self) -> float:
        """The drop of the accuracy in percentage points; negative for a gain."""
        return 100 * (self.before - self.after) / self.examples

    def __str__(self) -> str:
        before, after = (
            f"{right / self.examples:.2%} (95 % interval {low:.2%} to {high:.2%})"
            for right in (self.before, self.after)
            for low, high in [wilson(right, self.examples)]
        )
        return (
            f"accuracy on {self.examples:,} validation examples: {before} before, {after} after; "
            f"the predicted class changed for {self.changed / self.examples:.2%}"
        )


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % confidence interval of the proportion ``right / n`` (Wilson 1927)."""
    share, square = right / n, Z * Z / n
    centre, half = share + square / 2, math.sqrt(share * (1 - share) * square + square * square / 4)
    return max((centre - half) / (1 + square), 0.0), min((centre + half) / (1 + square), 1.0)


def classes_of(program: Program, outputs: Array) -> Array:
    """The class of each example: the largest output; for a single output, whether it exceeds the threshold.

    The threshold is 0.5 if the program ends in a sigmoid, else 0.
    """
    if outputs.shape[1] != 1:
        return np.asarray(outputs.argmax(axis=1))
    last = program.stages[-1] if program.stages else None
    sigmoid = isinstance(last, (Product, Activation)) and last.activation == "sigmoid"
    return np.asarray(outputs[:, 0] > (0.5 if sigmoid else 0.0)).astype(np.int64)


def loss_of(given: Program, program: Program, examples: Array) -> Loss:
    """The differences between the outputs of two programs."""
    wanted, got = given.engine().run(examples, None), program.engine().run(examples, None)
    apart = np.abs(wanted.astype(np.float64) - got)
    changed = classes_of(given, wanted) != classes_of(program, got)
    return Loss(float(apart.max()), float(apart.mean()), float(changed.mean()), len(examples))


def validation_of(given: Program, program: Program, examples: Array, labels: Array) -> Validation:
    """How many of the labelled examples each program classifies correctly."""
    before = classes_of(given, given.engine().run(examples, None))
    after = classes_of(program, program.engine().run(examples, None))
    right, still, changed = (
        int(np.count_nonzero(each)) for each in (before == labels, after == labels, before != after)
    )
    return Validation(len(examples), right, still, changed)


def labels_of(labels: Any, examples: int, n_out: int) -> Array:
    """The labels as integers, (n,). For one output they are 0 and 1, and may be a column, also of floats.

    Raises:
        TypeError: labels are not integers; for one output also 0.0 and 1.0 are allowed.
        ValueError: a wrong shape, no labels, or a class that the model does not have.
    """
    y = np.asarray(labels)
    classes = max(n_out, 2)
    if n_out == 1 and y.shape == (examples, 1):
        y = y[:, 0]
    if y.shape != (examples,) or not examples:
        raise ValueError(
            f"compile: validation has labels of shape {y.shape}, must be one for each of {examples} examples"
        )
    whole = y.astype(np.int64) if y.dtype.kind in "iub" or (n_out == 1 and y.dtype.kind == "f") else None
    if whole is None or (whole != y).any():
        raise TypeError(f"compile: validation has labels of {y.dtype}, must be integers, the class indices")
    if not 0 <= whole.min() <= whole.max() < classes:
        raise ValueError(
            f"compile: validation has labels from {whole.min()} to {whole.max()}, must be in [0, {classes})"
        )
    return whole
