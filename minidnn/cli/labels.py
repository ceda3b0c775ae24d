"""Decides whether labels are classes or numbers, and reads labels from separate files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minidnn.cli.examples import as_floats, read_array
from minidnn.cli.terminal import shown
from minidnn.data import ArrayDataset, Meaning
from minidnn.data.meaning import Task


def decided(source: object, y: Any) -> Task:
    """The task of numeric labels: regression where some have a fraction.

    Raises:
        ValueError: all are integers, which could be classes or numbers.
    """
    if (y != np.floor(y)).any():
        return "regression"
    different = len(np.unique(y))
    raise ValueError(
        f"the labels of {shown(source)} are integers, {different} different ones, which could be classes or numbers; "
        "give --task classification or --task regression"
    )


def read_arrays(
    source: Path, labels: Path | None, task: Task | None, like: Meaning | None = None, option: str = "--labels"
) -> ArrayDataset:
    """Examples in a .npy or IDX file with their labels in another file.

    uint8 labels in an IDX file are classes, as in MNIST; for all others ``task`` decides.

    Args:
        like: the meaning of the training data, whose classes and scale these data must have.
        option: the option that names the labels, for error messages.

    Raises:
        ValueError: no labels, labels of another length, an unknown class, or integers without a task.
        OSError: a file cannot be read.
    """
    if labels is None:
        raise ValueError(f"{source} has no labels; give them with {option} FILE")
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
    """The labels as class numbers, and the class names: the known ones, else the labels themselves."""
    values, places = np.unique(y, return_inverse=True)
    names = [str(int(value)) if value == int(value) else repr(float(value)) for value in values]
    if not known:
        return places.astype(np.int64), tuple(names)
    numbers = {name: i for i, name in enumerate(known)}
    if not any(_is_number(name) for name in known):  # the classes have names, the labels are their numbers
        numbers = {str(i): i for i in range(len(known))}
    for name in names:
        if name not in numbers:
            valid = ", ".join([*numbers][:20])
            raise ValueError(f"{path} has a label {name}, must be one of the classes {shown(valid)}")
    return np.array([numbers[name] for name in names], np.int64)[places], known


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
