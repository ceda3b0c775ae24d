"""Examples from files: IDX, .npy, and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.data import load_idx

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".webp"}
LARGEST_PICTURE = 1 << 26
"""Pixels."""


def read(paths: Sequence[Path], n_in: int | None, invert: bool = False) -> Any:
    """The examples of all files, (n, n_in), as bytes (0 to 255) or floats; an array of one example may lack the first
    axis.

    Args:
        n_in: what the model takes; None takes any width.
        invert: pictures are dark on light.

    Raises:
        ImportError: a picture, and Pillow is missing; names the extra.
        ValueError: a file that holds something else, or examples of another size.
        OSError: a file cannot be read.
    """
    return np.concatenate([_shaped(path, _array(path, invert), n_in) for path in paths])


def _array(path: Path, invert: bool) -> Any:
    if path.suffix.lower() in PICTURES:
        return _picture(path, invert)
    if path.suffix.lower() == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} is not a .npy file of numbers: {error}") from error
    return load_idx(path)


def _picture(path: Path, invert: bool) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('pictures need Pillow; install it with: pip install "minidnn[images]"') from error
    with Image.open(path) as picture:
        if picture.width * picture.height > LARGEST_PICTURE:
            raise ValueError(f"{path} has {picture.width} x {picture.height} pixels, more than can be an example")
        grey = np.asarray(picture.convert("L"))
    return 255 - grey if invert else grey


def _shaped(path: Path, array: Any, n_in: int | None) -> Any:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path} holds {array.dtype}, must be numbers")
    examples = array.reshape(1, -1) if array.size == n_in else array
    if examples.ndim == 0 or (n_in is not None and math.prod(examples.shape[1:]) != n_in):
        raise ValueError(f"{path} has shape {array.shape}, the model takes examples of {n_in} values")
    return examples.reshape(len(examples), -1)
