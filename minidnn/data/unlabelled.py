"""Examples without labels, for prediction."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from minidnn.data.datasets import Change, Dataset
from minidnn.data.types import Bytes, Floats32, Indices
from minidnn.pipeline import gather


class Unlabelled(Dataset):
    """Examples in an array, for `minidnn.training.predict(model, examples.inputs)`; asking for labels is an error.

    Args:
        x: (n, n_in), float32 or uint8.
        columns: the names of the inputs.

    Raises:
        TypeError: another dtype.
        ValueError: another shape.
    """

    def __init__(self, x: Any, columns: tuple[str, ...] = ()) -> None:
        x = np.asarray(x)
        if x.dtype not in (np.uint8, np.float32):
            raise TypeError(f"Unlabelled: x is {x.dtype}, must be uint8 or float32")
        if x.ndim != 2:
            raise ValueError(f"Unlabelled: x has shape {x.shape}, must be (n, n_in)")
        self.x: Bytes | Floats32 = np.ascontiguousarray(x)
        self.columns = tuple(columns)

    @property
    def y(self) -> Indices:
        raise ValueError("Unlabelled: these examples have no labels, so they can only be given to predict")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, part: slice) -> Unlabelled:
        """The examples of a slice."""
        if not isinstance(part, slice):
            raise TypeError(f"Unlabelled: takes slices, got {type(part).__name__}")
        new = Unlabelled(self.x[part], self.columns)
        new.meaning = self.meaning
        return new

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        x = gather(self.x, order)
        return change(x) if change else x

    def checksums(self) -> list[int]:
        return [zlib.crc32(self.x.data)]
