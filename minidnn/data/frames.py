"""Data sets of data frames (pandas, Polars or alike), by duck typing: ``df.columns`` and ``df[name].to_numpy()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn.data.datasets import ArrayDataset
from minidnn.data.meaning import Column, Meaning
from minidnn.data.targets import as_float32
from minidnn.reference.types import Array


def from_frame(
    df: Any,
    label: str | Sequence[str],
    *,
    categories: Sequence[str] = (),
    ignore: Sequence[str] = (),
    like: ArrayDataset | None = None,
) -> ArrayDataset:
    """The rows of a data frame as examples.

    ::

        train = data.from_frame(pandas.read_csv("train.csv"), label="price", categories=["district"])
        test = data.from_frame(pandas.read_csv("test.csv"), label="price", categories=["district"], like=train)

    Args:
        df: has ``columns``, and ``df[name].to_numpy()``: pandas, Polars.
        label: the column of the targets. Text and categories become classes, in alphabetical order; integers and
            booleans stay numbers; floats stay floats. Several columns become targets (n, k).
        categories: columns that become one input for each value, 1 where a row has it and 0 elsewhere.
        ignore: columns that are left out.
        like: the training set: its columns, categories and classes are those of this one, and what it does not know is
            refused.

    Returns:
        float32 examples; ``columns`` are the inputs' names, ``COLUMN=VALUE`` for those of a category.

    Raises:
        TypeError: not a data frame; a column that is neither numbers nor named in categories.
        ValueError: no such column; a missing value, named by row and column; a class or category that ``like`` does not
            have.
    """
    if not is_frame(df):
        raise TypeError(f"from_frame: df must be a data frame (pandas, Polars), got {type(df).__name__}")
    names = [str(name) for name in df.columns]
    labels = [label] if isinstance(label, str) else list(label)
    for name in (*labels, *categories, *ignore):
        if names.count(name) != 1:
            raise ValueError(f"from_frame: df must have one column {name!r}, it has {', '.join(names[:20])}")
    inputs = [name for name in names if name not in (*labels, *ignore)]
    values, columns = [], []
    for name in inputs:
        made, called = _input(df, name, name in categories, like)
        values.append(made)
        columns += called
    if not values:
        raise ValueError("from_frame: df has no column beside the label")
    if like is not None and tuple(columns) != like.columns:
        raise ValueError(f"from_frame: the inputs are {', '.join(columns)}; like has {', '.join(like.columns)}")
    y, classes = _targets(df, labels, like)
    dataset = ArrayDataset(np.concatenate(values, axis=1), y, classes, columns)
    dataset.meaning = Meaning(
        "classification" if classes else "regression" if y.dtype.kind == "f" else None,
        labels[0] if len(labels) == 1 else "",
        classes,
        tuple(columns),
        tuple(_source(name, name in categories, columns) for name in inputs),
        tuple(ignore),
    )
    return dataset


def _source(name: str, is_category: bool, columns: Sequence[str]) -> Column:
    known = [called.removeprefix(f"{name}=") for called in columns if called.startswith(f"{name}=")]
    return Column(name, tuple(known) if is_category else None)


def is_frame(value: Any) -> bool:
    """Whether it has columns by name, as data frames do."""
    return hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, np.ndarray)


def frame_columns(owner: str, df: Any) -> tuple[Array, list[str]]:
    """The columns of a frame of numbers, float32 (n, columns), and their names."""
    names = [str(name) for name in df.columns]
    return np.stack([_numbers(owner, name, _column(df, name)) for name in df.columns], axis=1), names


def _column(df: Any, name: Any) -> Array:
    column: Array = np.asarray(df[name].to_numpy())
    return column


def _numbers(owner: str, name: str, column: Array) -> Array:
    if column.dtype == object:  # pandas' own types with missing values
        try:
            column = np.array([np.nan if _is_missing(value) else value for value in column], np.float64)
        except (TypeError, ValueError):
            column = column.astype(str)
    if column.dtype.kind not in "fiub":
        raise TypeError(
            f"{owner}: column {name!r} has {column.dtype}, must be numbers; name it in categories= or ignore= of "
            "data.from_frame"
        )
    return as_float32(owner, f"column {name!r}", column.astype(np.float64))


def _input(df: Any, name: str, is_category: bool, like: ArrayDataset | None) -> tuple[Array, list[str]]:
    column = _column(df, name)
    if not is_category:
        numbers = _numbers("from_frame", name, column)
        _refuse_missing(name, np.isnan(numbers))
        return numbers[:, np.newaxis], [name]
    _refuse_missing(name, np.array([_is_missing(value) for value in column]))
    text = column.astype(str)
    known = sorted(set(text.tolist()))
    if like is not None:
        known = [called.removeprefix(f"{name}=") for called in like.columns if called.startswith(f"{name}=")]
        _refuse_unknown(f"column {name!r}", text, known)
    return (text[:, np.newaxis] == np.array(known)).astype(np.float32), [f"{name}={value}" for value in known]


def _targets(df: Any, labels: Sequence[str], like: ArrayDataset | None) -> tuple[Array, tuple[str, ...]]:
    if len(labels) > 1:
        parts = [_numbers("from_frame", name, _column(df, name)) for name in labels]
        for name, part in zip(labels, parts, strict=True):
            _refuse_missing(name, np.isnan(part))
        return np.stack(parts, axis=1), ()
    (name,) = labels
    column = _column(df, name)
    _refuse_missing(name, np.array([_is_missing(value) for value in column]))
    if column.dtype.kind in "fiub":
        return column, ()
    text = column.astype(str)
    classes = like.classes if like is not None and like.classes else tuple(sorted(set(text.tolist())))
    _refuse_unknown(f"the label {name!r}", text, classes)
    places = {called: place for place, called in enumerate(classes)}
    return np.array([places[value] for value in text.tolist()], np.int64), classes


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _refuse_missing(name: str, missing: Array) -> None:
    if missing.any():
        raise ValueError(
            f"from_frame: row {int(np.argmax(missing))}, column {name!r} is missing ({int(missing.sum())} in all); "
            "fill or drop such rows first"
        )


def _refuse_unknown(what: str, text: Array, known: Sequence[str]) -> None:
    if unknown := sorted(set(text.tolist()) - set(known)):
        raise ValueError(f"from_frame: {what} has {unknown[0]!r}, which like has not: {', '.join(known)}")
