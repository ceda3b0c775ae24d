"""The IDX files inside the package."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from minidnn.data.idx import load_idx


def load_packaged(folder: str, name: str) -> npt.NDArray[np.uint8]:
    with as_file(files("minidnn.data") / folder / name) as path:
        array: npt.NDArray[np.uint8] = load_idx(path)
    return array
