"""What ``minidnn train --data`` may name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from minidnn import Generator, data, nn
from minidnn.reuse import freeze

NAMES = {"mnist": data.load_mnist, "fashion-mnist": data.load_fashion_mnist, "digits": data.load_digits_sample}


class Parts(NamedTuple):
    """A data set in three parts.

    Attributes:
        classes: how many.
        inputs: the layers that a network begins with.
    """

    train: data.Dataset
    valid: data.Dataset
    test: data.Dataset
    classes: int
    inputs: list[nn.Module]


def load(source: str, label: str | int, seed: int) -> Parts:
    """One of `NAMES`; or a folder of pictures or a table, of which a tenth each becomes valid and test.

    Raises:
        ValueError: there is no such data set, too few examples, or labels that are not numbered from 0.
        OSError: a file cannot be read, or had.
        ImportError: an extra is missing.
    """
    if source in NAMES:
        parts: tuple[data.Dataset, ...] = NAMES[source]()
    else:
        path = Path(source)
        if not path.is_dir() and path.suffix.lower() != ".csv":
            raise ValueError(f"--data must be {', '.join(NAMES)}, a folder, or a table that ends in .csv: {source!r}")
        whole = data.ImageFolder(path).load() if path.is_dir() else data.load_csv(path, label)
        parts = data.split(whole, [0.8, 0.1, 0.1], rng=Generator(seed))
    n, classes = sum(map(len, parts)), 1 + max(int(part.y.max(initial=-1)) for part in parts)
    if not all(map(len, parts)) or classes > n:
        raise ValueError(f"{source} has {n} examples with labels up to {classes - 1}: too few to split and learn")
    train, valid, test = parts
    return Parts(train, valid, test, classes, [_standardized(train)] if train.columns else [])


def _standardized(train: data.Dataset) -> nn.Module:
    """A layer that gives columns of any scale mean 0 and deviation 1, and so takes a table's own numbers."""
    scale = data.Standardize(train)
    layer = nn.BatchNorm(len(scale.mean), eps=1e-12, name="inputs")
    layer.running_mean.data[...], layer.running_var.data[...] = scale.mean, scale.std**2
    freeze(layer)
    return layer
