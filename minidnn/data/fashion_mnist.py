"""Fashion-MNIST, from the cache, the system or the network."""

from __future__ import annotations

import os
from pathlib import Path

from minidnn.data.datasets import ArrayDataset, Splits
from minidnn.data.idx import IdxError, load_idx
from minidnn.data.sources import fetch

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
VALIDATION = 5000


def load_fashion_mnist(folder: str | os.PathLike[str] | None = None, progress: bool = True) -> Splits:
    """Zalando's articles (Xiao, Rasul & Vollgraf 2017), a harder data set with the format of MNIST; MIT licence.

    55,000 examples train, 5,000 validate, 10,000 test: as in `load_mnist` the *first* 5,000 images of the training file
    validate. Images are uint8 rows of 784 pixels, labels 0 to 9, whose names are in ``.classes``.

    The files come from the cache, from Debian's package ``dataset-fashion-mnist``, or from the network; see `fetch`,
    whose arguments these are.

    Raises:
        DownloadError, ImportError: as `fetch`.
        IdxError: a file has the right checksum, or comes from the system, but is not of this data set.
    """
    files = fetch("fashion-mnist", folder, progress)
    train, test = (_examples(files, part, n) for part, n in (("train", 60_000), ("t10k", 10_000)))
    return Splits(train[VALIDATION:], train[:VALIDATION], test)


def _examples(files: dict[str, Path], part: str, n: int) -> ArrayDataset:
    images, labels = files[f"{part}-images-idx3-ubyte.gz"], files[f"{part}-labels-idx1-ubyte.gz"]
    x, y = load_idx(images), load_idx(labels)
    if x.dtype != "uint8" or x.shape != (n, 28, 28):
        raise IdxError(f"load_fashion_mnist: {images} has {x.dtype} {x.shape}, must have uint8 ({n}, 28, 28)")
    if y.dtype != "uint8" or y.shape != (n,) or y.max() >= len(CLASSES):
        raise IdxError(f"load_fashion_mnist: {labels} must have {n} labels from 0 to {len(CLASSES) - 1}")
    return ArrayDataset(x, y, CLASSES)
