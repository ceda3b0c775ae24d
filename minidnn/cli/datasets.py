"""The data sets that ``minidnn train --data`` accepts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from minidnn import Generator, data, nn
from minidnn.cli.labels import decided, read_arrays
from minidnn.reuse import freeze

NAMES = {"mnist": data.load_mnist, "fashion-mnist": data.load_fashion_mnist, "digits": data.load_digits_sample}
LISTED = ", ".join(NAMES)
SPLIT = 0.1
"""The fraction held out for validation, and again for test."""

KINDS = {
    "label": "a table",
    "category": "a table",
    "ignore": "a table",
    "missing": "a table",
    "labels": "a .npy or IDX file",
    "valid_labels": "a .npy or IDX file",
    "image_size": "a folder of pictures",
    "valid": "data of your own",
    "split": "data of your own",
}
"""Option -> the kind of data that it applies to."""


@dataclass(frozen=True)
class Parts:
    """A data set in parts, ready for `minidnn.training.fit`.

    Attributes:
        test: None where validation data were given, so that nothing was held out.
        held_back: the data of the final measurement: test, else valid, with labels in their original unit.
        meaning: the meaning of all parts.
        inputs: the first layers of the network, which standardize a table.
        mean, std: the mean and standard deviation of each regression label; train and valid have standardized labels.
    """

    train: data.Dataset
    valid: data.Dataset
    test: data.Dataset | None
    held_back: data.Dataset
    meaning: data.Meaning
    inputs: list[nn.Module]
    mean: Any = 0.0
    std: Any = 1.0

    @property
    def n_out(self) -> int:
        if self.meaning.has_several_labels:
            return len(self.meaning.labels)
        return len(self.meaning.classes) if self.meaning.task == "classification" else 1


def load(arguments: argparse.Namespace) -> Parts:
    """The data of ``minidnn train``.

    Raises:
        ValueError: there is no such data set, an option does not apply to it, it has too few examples, or integer
            labels that could be classes or numbers.
        OSError: a file cannot be read or downloaded.
        ImportError: an extra is missing.
    """
    source, path = arguments.data, Path(arguments.data)
    _check_options(arguments, _kinds(source, path))
    if source in NAMES:
        if arguments.task == "regression":
            raise ValueError(f"--task is regression, the labels of {source} are classes; leave --task out")
        splits = named(source)
        return Parts(*splits, splits[2], splits[0].meaning, [])
    whole = _whole(arguments, path)
    _check_labels(source, whole)
    rng, part = Generator(arguments.seed), SPLIT if arguments.split is None else arguments.split
    train: data.Dataset
    held_back: list[Any]
    if arguments.valid is None:
        stratify = whole.meaning.task == "classification" and not whole.meaning.has_several_labels
        train, *held_back = data.split(whole, [1 - 2 * part, part, part], stratify=stratify, rng=rng)
    else:
        train, held_back = whole, [_valid(arguments, whole.meaning)]
        whole.meaning.check_same("train", held_back[0].meaning, "--valid")
    if not all(map(len, (train, *held_back))):
        raise ValueError(f"{source} has {len(whole)} examples: too few to split and learn")
    inputs = [] if whole.meaning.image_shape else [_standardized(train)]
    test = held_back[1] if len(held_back) == 2 else None
    parts = Parts(train, held_back[0], test, held_back[-1], whole.meaning, inputs)
    return _with_scaled_labels(parts) if whole.meaning.task == "regression" else parts


FAR = 10.0
"""Standard deviations from the mean beyond which the error message of a diverged run mentions a value."""


def is_table(source: str) -> bool:
    """Whether ``--data`` names a table."""
    return source not in NAMES and not Path(source).is_dir() and Path(source).suffix.lower() == ".csv"


def farthest(train: data.Dataset) -> tuple[str, float] | None:
    """The column with the largest outlier, and its distance from the mean in standard deviations; None below `FAR`."""
    scale = data.Standardize(train)
    distances = np.abs((np.asarray(train.inputs, np.float64) - scale.mean) / scale.std).max(axis=0)
    place = int(distances.argmax())
    return (train.columns[place], float(distances[place])) if train.columns and distances[place] > FAR else None


def named(name: str) -> tuple[data.Dataset, data.Dataset, data.Dataset]:
    """The three parts of a data set in `NAMES`, with class names."""
    splits = NAMES[name]()
    for part in splits:
        classes = part.classes or tuple(str(i) for i in range(1 + int(splits.train.y.max())))
        part.classes = classes
        from_bytes = part.x.dtype == np.uint8
        part.meaning = data.Meaning(
            "classification", classes=classes, image_shape=part.image_shape, from_bytes=from_bytes
        )
    return splits.train, splits.valid, splits.test


def labelled(
    source: str,
    like: data.Meaning,
    labels: Path | None = None,
    label: Any = None,
    ignore: Sequence[str | int] = (),
    unknown: Any = "refuse",
) -> data.Dataset:
    """Labelled data for a trained model, read as its training data were; the test part of a data set in `NAMES`.

    Args:
        like: the model's meaning.
        labels: the file with the labels of a .npy or IDX file.
        label, ignore, unknown: for tables; see `minidnn.data.load_csv`.

    Raises:
        ValueError: the data differ from the training data in classes, columns or image shape.
        OSError: a file cannot be read.
    """
    path = Path(source)
    if source in NAMES:
        dataset = named(source)[2]
    elif path.is_dir():
        dataset = folder(path, like)
    elif path.suffix.lower() == ".csv":
        if not like.source:
            raise ValueError(f"{path} is a table, the model's file does not describe the columns of a table")
        dataset = data.load_csv(path, "" if label is None else label, like=like, ignore=ignore, unknown=unknown)
    else:
        dataset = read_arrays(path, labels, like.task, like)
    like.check_same(source, dataset.meaning, "the data")
    return dataset


def folder(path: Path, like: data.Meaning) -> data.ImageFolder:
    """A folder of pictures with a model's classes and size; resized if the model's training pictures were."""
    pictures = data.ImageFolder(path, like.image_shape or None, like.classes or None)
    pictures.resized = like.resized
    pictures.meaning = replace(pictures.meaning, resized=like.resized)
    return pictures


def _kinds(source: str, path: Path, option: str = "--data") -> tuple[str, ...]:
    if source in NAMES:
        return (source,)
    if path.is_dir():
        return ("a folder of pictures", "data of your own")
    if path.suffix.lower() == ".csv":
        return ("a table", "data of your own")
    if path.suffix.lower() == ".npy" or path.exists():
        return ("a .npy or IDX file", "data of your own")
    raise ValueError(f"{option} is {source!r}, must be {LISTED}, a folder, a table (.csv), or a .npy or IDX file")


def _check_options(arguments: argparse.Namespace, kinds: tuple[str, ...]) -> None:
    for name, kind in KINDS.items():
        if getattr(arguments, name) not in (None, []) and kind not in kinds:
            raise ValueError(f"--{name.replace('_', '-')} is for {kind}, --data is {kinds[0]}")
    if arguments.valid is not None and arguments.split is not None:
        raise ValueError("--split and --valid both select validation data; give one of them")
    if arguments.valid is None and arguments.valid_labels is not None:
        raise ValueError("--valid-labels needs --valid, the file with the examples")
    if arguments.valid is not None and (other := _kinds(arguments.valid, Path(arguments.valid), "--valid")) != kinds:
        raise ValueError(f"--valid is {other[0]}, must be {kinds[0]} as --data is")


def _whole(arguments: argparse.Namespace, path: Path) -> Any:
    task = None if arguments.task == "auto" else arguments.task
    if path.is_dir():
        if task == "regression":
            raise ValueError("--task is regression, the labels of a folder of pictures are classes; leave --task out")
        return data.ImageFolder(path, arguments.image_size).load()
    if path.suffix.lower() != ".csv":
        return read_arrays(path, arguments.labels, task)
    options: Any = {"categories": arguments.category, "ignore": arguments.ignore, "missing": arguments.missing}
    table = data.load_csv(path, -1 if arguments.label is None else arguments.label, task=task, **options)
    if arguments.task == "auto" and table.meaning.task == "regression":
        decided(path, table.y)
    return table


def _valid(arguments: argparse.Namespace, meaning: data.Meaning) -> data.Dataset:
    path = Path(arguments.valid)
    if path.is_dir():
        return folder(path, meaning).load()
    if path.suffix.lower() == ".csv":
        return data.load_csv(path, like=meaning)
    return read_arrays(path, arguments.valid_labels, meaning.task, meaning, "--valid-labels")


def _check_labels(source: str, whole: data.Dataset) -> None:
    if len(whole) and (whole.y == whole.y[0]).all():
        only = whole.meaning.classes[0] if whole.meaning.classes else ", ".join(f"{y:g}" for y in np.ravel(whole.y[0]))
        raise ValueError(f"{source} has {len(whole)} examples that all have the label {only!r}: nothing to learn")


def _standardized(train: data.Dataset) -> nn.Module:
    """A layer that standardizes each column to mean 0 and deviation 1, so that the model accepts unscaled numbers."""
    scale = data.Standardize(train)
    layer = nn.BatchNorm(len(scale.mean), eps=1e-12, name="inputs")
    layer.running_mean.data[...], layer.gamma.data[...] = scale.mean, 1 / scale.std  # its variance stays 1
    freeze(layer)
    return layer


def _with_scaled_labels(parts: Parts) -> Parts:
    """Standardizes the labels, so that one learning rate suits labels of any scale."""
    y = parts.train.y.astype(np.float64)
    mean, std = y.mean(axis=0), y.std(axis=0)
    std = np.where(std == 0, 1, std)
    train, valid = (_scaled(part, mean, std) for part in (parts.train, parts.valid))
    return replace(parts, train=train, valid=valid, mean=mean, std=std)


def _scaled(part: data.Dataset, mean: Any, std: Any) -> data.Dataset:
    y = ((part.y.astype(np.float64) - mean) / std).astype(np.float32)
    scaled = data.ArrayDataset(part.inputs, y, columns=part.columns)
    scaled.meaning = part.meaning
    return scaled
