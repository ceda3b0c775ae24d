"""Several inputs side by side, and data sets made of what the user has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidnn.data.datasets import ArrayDataset, Change, Dataset, checksums_of
from minidnn.data.frames import frame_inputs, is_frame
from minidnn.data.meaning import Meaning
from minidnn.data.targets import as_targets
from minidnn.data.types import Indices
from minidnn.reference.types import Array


class StackDataset(Dataset):
    """Examples of several inputs, for a model that takes several, such as an `nn.Graph`.

    Args:
        inputs: arrays as an `ArrayDataset` takes them, in the order of the model's arguments; each keeps its axes.
        y: the targets; see `Dataset`.
        classes: the names of the labels 0, 1, ...

    Raises:
        TypeError, ValueError: as `ArrayDataset`; no inputs.
    """

    def __init__(self, inputs: Sequence[Any], y: Any, classes: Sequence[str] = ()) -> None:
        if not len(inputs):
            raise ValueError("StackDataset: inputs is empty, must hold an array for each argument of the model")
        self.parts = [ArrayDataset(x, y, keep_axes=True) for x in inputs]
        self.y = as_targets("StackDataset", y)
        self.classes = tuple(classes)
        self.slow = any(part.slow for part in self.parts)

    def gather(self, order: Indices, change: Change | None = None) -> tuple[Array, ...]:
        x = tuple(part.gather(order) for part in self.parts)
        return change(x) if change else x

    def check_finite(self, owner: str) -> None:
        for part in self.parts:
            part.check_finite(owner)

    def checksums(self) -> list[int]:
        return [number for part in self.parts for number in checksums_of(part.x)] + checksums_of(self.y)


def as_dataset(owner: str, given: Any, y: Any = None, like: Meaning | None = None) -> Dataset:
    """A data set of what the user gives: one itself, arrays ``x, y`` or a pair of them, ``(x, y)``.

    x may be a tuple of arrays (several inputs) or a frame of numbers (pandas, Polars), whose columns are kept.

    Args:
        like: what a frame's columns stand for: they are found by name, in whatever order they are.

    Raises:
        TypeError: nothing of the kind, or arrays without targets.
        ValueError: as the data sets.
    """
    if isinstance(given, Dataset):
        if y is not None:
            raise TypeError(f"{owner}: y was given beside a data set, which has targets of its own")
        return given
    if y is None:
        if not isinstance(given, tuple) or len(given) != 2:
            kind = f"a tuple of {len(given)}" if isinstance(given, tuple) else type(given).__name__
            raise TypeError(f"{owner}: data must be a data set or a pair of arrays (x, y), got {kind}")
        given, y = given
    if isinstance(given, tuple):
        return StackDataset(given, y)
    if is_frame(given):
        x, columns = frame_inputs(owner, given, like)
        return ArrayDataset(x, y, columns=columns)
    return ArrayDataset(given, y)
