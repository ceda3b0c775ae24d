"""Whether labels are classes or numbers, and labels in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minidnn.cli.examples import as_floats, read_array
from minidnn.cli.terminal import shown
from minidnn.data import ArrayDataset, Meaning
from minidnn.data.meaning import Task


def decided(source: object, y: Any) -> Task:
    """The task of labels that are numbers: regression where some have a fraction.

    Raises:
        ValueError: all are whole numbers, which could be classes or quantities.
    """
    if (y != np.floor(y)).any():
        return "regression"
    different = len(np.unique(y))
    raise ValueError(
        f"the labels of {shown(source)} are whole numbers, {different} different ones: are they classes or quantities? "
        "Give --task classification or --task regression"
    )


def read_arrays(
    source: Path, labels: Path | None, task: Task | None, like: Meaning | None = None, option: str = "--labels"
) -> ArrayDataset:
    """Examples in a .npy or IDX file with labels in another one.

    The bytes of an IDX file of labels are classes, as in MNIST; of other numbers the task says what they are.

    Args:
        like: the meaning of the data set that classes and pictures must be those of.
        option: that names the labels.

    Raises:
        ValueError: no labels, others than the examples ask for, or numbers that could be classes or quantities.
        OSError: a file cannot be read.
    """
    if labels is None:
        raise ValueError(f"{source} holds examples alone; give their labels with {option} FILE")
    x, y = read_array(source), read_array(labels)
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise ValueError(f"{source} has shape {x.shape} and {labels} {y.shape}, must be (n, ...) and (n,)")
    if like:
        like.check_scale(str(source), x)
    from_bytes = x.dtype == np.uint8
    x = x if x.dtype == np.uint8 else as_floats(source, x)
    as_floats(labels, y)
    task = task or (like.task if like else None)
    if task is None:
        task = "classification" if labels.suffix.lower() != ".npy" and y.dtype == np.uint8 else decided(labels, y)
    shape = x.shape[1:] if x.ndim in (3, 4) and x.shape[3:] in ((), (1,), (3,)) else ()
    classes: tuple[str, ...] = ()
    if task == "classification":
        y, classes = _classes(labels, y, like.classes if like else ())
    else:
        y = y.astype(np.float32)
    dataset = ArrayDataset(x, y, classes)
    dataset.meaning = Meaning(task, classes=classes, image_shape=shape, from_bytes=from_bytes)
    return dataset


def _classes(path: Path, y: Any, known: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """The labels as numbers of classes, and the names of those: the numbers themselves, or those that are known."""
    values, places = np.unique(y, return_inverse=True)
    names = [str(int(value)) if value == int(value) else repr(float(value)) for value in values]
    if not known:
        return places.astype(np.int64), tuple(names)
    numbers = {name: i for i, name in enumerate(known)}
    if not any(_is_number(name) for name in known):  # the classes have names, the labels are their numbers
        numbers = {str(i): i for i in range(len(known))}
    for name in names:
        if name not in numbers:
            told = ", ".join([*numbers][:20])
            raise ValueError(f"{path} has a label {name}, must be one of the classes {shown(told)}")
    return np.array([numbers[name] for name in names], np.int64)[places], known


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
