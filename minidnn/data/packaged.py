"""The IDX files that are shipped: inside the package, or in a data package of their own."""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minidnn.data.idx import load_idx

_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def load_packaged(folder: Traversable, name: str) -> npt.NDArray[np.uint8]:
    """The array in a gzipped IDX file of that folder."""
    with as_file(folder / name) as path:
        array: npt.NDArray[np.uint8] = load_idx(path)
    return array


def digits_folder() -> Traversable:
    return files("minidnn.data") / "digits"


def mnist_folder() -> Traversable:
    """Where MNIST's files are: in minidnn if it was installed from a checkout, else in the package minidnn-mnist.

    Raises:
        FileNotFoundError: neither has them.
    """
    places = [
        files("minidnn.data") / "mnist",
        _CHECKOUT / "packages" / "minidnn-mnist" / "src" / "minidnn_mnist" / "mnist",  # an editable installation
    ]
    if find_spec("minidnn_mnist") is not None:
        places.insert(0, files("minidnn_mnist") / "mnist")
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(
        'load_mnist: the files of MNIST are not installed; install them with: pip install "minidnn[mnist]", or '
        "install minidnn from its checkout, which has them"
    )
