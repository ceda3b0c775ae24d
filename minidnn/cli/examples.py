"""Reads examples from files: tables, pictures, IDX, .npy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.data import Meaning, load_csv, load_idx
from minidnn.data.images import SUFFIXES, pictures_in, read_picture
from minidnn.data.npy import load_npy


@dataclass(frozen=True)
class Reader:
    """Reads examples as a `minidnn.cli.models.Model` takes them.

    Attributes:
        meaning: the meaning of the model's inputs.
        n_in: the number of inputs.
        invert: whether to invert pictures, for dark on light where the training pictures are light on dark.
        ignore: columns of tables to leave out.
        unknown: "refuse" or "zeros", for category values that the training data did not have.
    """

    meaning: Meaning
    n_in: int
    invert: bool = False
    ignore: tuple[str | int, ...] = ()
    unknown: Any = "refuse"

    def read(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
        """Yields each file, including the pictures in a folder, with its examples, float32 (n, n_in).

        Raises:
            ImportError: Pillow is needed for a picture and missing; the message names the extra.
            ValueError: a file has another format, or examples of another size.
            OSError: a file cannot be read.
        """
        for path in paths:
            if path.is_dir():
                pictures = pictures_in(path)
                if not pictures:
                    raise ValueError(f"{path} is a folder without pictures")
                yield from ((picture, self._examples(picture)) for picture in pictures)
            else:
                yield path, self._examples(path)

    def _examples(self, path: Path) -> Any:
        suffix = path.suffix.lower()
        if suffix == ".csv":
            return load_csv(path, None, like=self._table(path), ignore=self.ignore, unknown=self.unknown).x
        if suffix in SUFFIXES:
            array = self._picture(path)
        else:
            array = read_array(path)
            self.meaning.check_scale(str(path), array)
        return as_floats(path, self._shaped(path, array))

    def _table(self, path: Path) -> Meaning:
        if not self.meaning.source:
            raise ValueError(
                f"{path} is a table, the model's file does not describe the columns of a table; save the model with "
                "minidnn train or minidnn.save(model, path, meaning=train.meaning)"
            )
        return self.meaning

    def _picture(self, path: Path) -> Any:
        shape = self.meaning.image_shape
        if not shape:
            side = math.isqrt(self.n_in)
            shape = (side, side)
            if side * side != self.n_in:
                raise ValueError(f"{path} is a picture, the model takes {self.n_in} values, which is not a square")
        pixels = read_picture(path, shape, self.meaning.resized)
        return 255 - pixels if self.invert else pixels

    def _shaped(self, path: Path, array: Any) -> Any:
        examples = array.reshape(1, -1) if array.size == self.n_in else array
        if examples.ndim == 0 or math.prod(examples.shape[1:]) != self.n_in:
            raise ValueError(f"{path} has shape {array.shape}, the model takes examples of {self.n_in} values")
        return examples.reshape(len(examples), -1)


def read_array(path: Path) -> Any:
    """The array in a .npy or IDX file.

    Raises:
        ValueError: the file has another format.
        OSError: the file cannot be read.
    """
    return load_npy(path) if path.suffix.lower() == ".npy" else load_idx(path)


@np.errstate(over="ignore")
def as_floats(path: Path, array: Any) -> Any:
    """The numbers as float32; uint8 is divided by 255, as in data sets.

    Raises:
        ValueError: a number is not finite in float32.
    """
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    x = array.astype(np.float32)
    if not (fine := np.isfinite(x)).all():
        place = ", ".join(str(int(i)) for i in np.argwhere(~fine)[0])
        raise ValueError(f"{path}: the number at [{place}] is not finite in float32")
    return x
