"""Data sets from data frames (pandas, Polars), by duck typing: ``df.columns`` and ``df[name].to_numpy()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np

from minidnn.data.datasets import ArrayDataset, Dataset
from minidnn.data.meaning import Column, Meaning
from minidnn.data.table_cells import number
from minidnn.data.targets import as_float32
from minidnn.data.unlabelled import Unlabelled
from minidnn.reference.types import Array

Unknown = Literal["refuse", "zeros"]


@overload
def from_frame(
    df: Any,
    label: str | Sequence[str] = "",
    *,
    categories: Sequence[str] = (),
    ignore: Sequence[str] = (),
    like: Dataset | Meaning | None = None,
    unknown: Unknown = "refuse",
) -> ArrayDataset: ...
@overload
def from_frame(
    df: Any,
    label: None,
    *,
    categories: Sequence[str] = (),
    ignore: Sequence[str] = (),
    like: Dataset | Meaning | None = None,
    unknown: Unknown = "refuse",
) -> Unlabelled: ...
def from_frame(
    df: Any,
    label: str | Sequence[str] | None = "",
    *,
    categories: Sequence[str] = (),
    ignore: Sequence[str] = (),
    like: Dataset | Meaning | None = None,
    unknown: Unknown = "refuse",
) -> ArrayDataset | Unlabelled:
    """The rows of a data frame as examples.

    ::

        train = data.from_frame(pandas.read_csv("train.csv"), label="price", categories=["district"])
        test = data.from_frame(pandas.read_csv("test.csv"), like=train)
        new = data.from_frame(pandas.read_csv("new.csv"), None, like=train)

    Args:
        df: has ``columns``, and ``df[name].to_numpy()``: pandas, Polars.
        label: the column of the targets. Text and categories become classes, in alphabetical order; integers and
            booleans stay numbers; floats stay floats. A list of columns becomes targets (n, k). None: there are no
            targets, or they are ignored. May be left out with ``like``.
        categories: columns that are one-hot encoded.
        ignore: columns that are left out.
        like: the training set, or its meaning: the frame is read in the same way. Columns are found by name, in any
            order; categories, classes, numbers for missing values and standardization are those of ``like``. Missing
            or additional columns are refused.
        unknown: a category value that ``like`` does not have is refused, or encoded as zeros.

    Returns:
        An `ArrayDataset` of float32 examples, or an `Unlabelled` for ``label=None``; ``columns`` are the inputs' names,
        ``COLUMN=VALUE`` for those of a category.

    Raises:
        TypeError: not a data frame; a column that is neither numbers nor named in categories.
        ValueError: no such column; a missing value, named by row and column; a column, class or category that ``like``
            does not have.
    """
    if not is_frame(df):
        raise TypeError(f"from_frame: df is {type(df).__name__}, must be a data frame (pandas, Polars)")
    for name, columns in (("categories", categories), ("ignore", ignore)):
        if isinstance(columns, str):
            raise TypeError(f"from_frame: {name} is {columns!r}, must be a list of columns, [{columns!r}]")
    if unknown not in ("refuse", "zeros"):
        raise ValueError(f"from_frame: unknown is {unknown!r}, must be 'refuse' or 'zeros'")
    before = like.meaning if isinstance(like, Dataset) else like
    labels = _labels(label, before)
    names = [str(name) for name in df.columns]
    for name in (*labels, *categories, *ignore):
        if names.count(name) != 1:
            raise ValueError(f"from_frame: df must have one column {name!r}, it has {', '.join(names[:20])}")
    if before is None:
        source = tuple(
            Column(name, _values(df, name) if name in categories else None)
            for name in names
            if name not in (*labels, *ignore)
        )
        meaning = Meaning(source=source, ignored=tuple(ignore))
    else:
        source, meaning = _source_of(before), before
        _check_columns(names, source, {*before.labels, *before.ignored, *labels, *ignore})
    if not source:
        raise ValueError("from_frame: df has no column beside the label")
    x = np.concatenate([_inputs("from_frame", df, column, before is not None, unknown) for column in source], axis=1)
    x = before.prepared(x) if before else x
    columns = tuple(name for column in source for name in column.inputs)
    if not labels:
        unlabelled = Unlabelled(x, columns)
        unlabelled.meaning = replace(meaning, columns=columns)
        return unlabelled
    is_several = not isinstance(before.label if label == "" and before else label, str)
    y, classes = _targets(df, labels, is_several, before)
    dataset = ArrayDataset(x, y, classes, columns)
    task = meaning.task or ("classification" if classes else "regression" if y.dtype.kind == "f" else None)
    called = meaning.label or (tuple(labels) if is_several else labels[0])
    dataset.meaning = replace(meaning, task=task, label=called, classes=classes, columns=columns)
    return dataset


def is_frame(value: Any) -> bool:
    """Whether it has columns by name, as data frames do."""
    return hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, np.ndarray)


def frame_inputs(owner: str, df: Any, like: Meaning | None = None) -> tuple[Array, tuple[str, ...]]:
    """The columns of a frame as inputs, float32 (n, columns), and their names.

    Args:
        like: the meaning of the inputs: columns are found by name, in any order; those that are neither inputs nor
            labels are refused. None, or a meaning without columns: all columns must be numbers.

    Raises:
        TypeError: a text column that is not a category.
        ValueError: a column is missing or unknown; a category that ``like`` does not have.
    """
    if like is None or not like.columns:
        names = tuple(str(name) for name in df.columns)
        return np.stack([_numbers(owner, name, _column(df, name)) for name in names], axis=1), names
    source = _source_of(like)
    _check_columns([str(name) for name in df.columns], source, {*like.labels, *like.ignored}, owner, "the model")
    x = np.concatenate([_inputs(owner, df, column, True, "refuse") for column in source], axis=1)
    return like.prepared(x), like.columns


def _labels(label: str | Sequence[str] | None, before: Meaning | None) -> tuple[str, ...]:
    if label is None:
        return ()
    if label == "" and before is not None:
        return before.labels
    labels = (label,) if isinstance(label, str) else tuple(label)
    if not labels or "" in labels:
        raise ValueError(
            "from_frame: label is missing, must name a column, or be None for a frame without labels; with like= it "
            "may be left out"
        )
    return labels


def _source_of(like: Meaning) -> tuple[Column, ...]:
    """How columns become the inputs; without a description they are numbers."""
    return like.source or tuple(Column(name) for name in like.columns)


def _check_columns(
    names: Sequence[str], source: Sequence[Column], passed: set[str], owner: str = "from_frame", other: str = "like"
) -> None:
    for column in source:
        if names.count(column.name) != 1:
            raise ValueError(
                f"{owner}: df has {'no' if column.name not in names else 'more than one'} column {column.name!r}, "
                f"which {other} has; it has {', '.join(names[:20])}"
            )
    if more := [name for name in names if name not in {column.name for column in source} | passed]:
        called = ", ".join(map(repr, more[:20]))
        raise ValueError(
            f"{owner}: df has {called}, which {other} does not have; leave columns out, such as by "
            f"data.from_frame(df, None, ignore={more[:20]!r}, like=train)"
        )


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


def _inputs(owner: str, df: Any, column: Column, is_known: bool, unknown: Unknown) -> Array:
    """What a column becomes, (n, inputs)."""
    name, cells = column.name, _column(df, column.name)
    if column.categories is None:
        numbers = _numbers(owner, name, cells)
        missing = np.isnan(numbers)
        if column.fill is None:
            _refuse_missing(owner, name, missing)
            return numbers[:, np.newaxis]
        filled = np.where(missing, np.float32(column.fill), numbers)
        return np.stack([filled, missing.astype(np.float32)][: 1 + column.indicator], axis=1)
    text = _text(owner, name, cells, "" in column.categories)
    if is_known and unknown == "refuse":
        _refuse_unknown(owner, f"column {name!r}", text, column.categories)
    return (text[:, np.newaxis] == np.array(column.categories)).astype(np.float32)


def _values(df: Any, name: str) -> tuple[str, ...]:
    return tuple(sorted(set(_text("from_frame", name, _column(df, name), False).tolist())))


def _text(owner: str, name: str, cells: Array, may_miss: bool) -> Array:
    """The cells of a category as text; a missing one is "" if may_miss, else refused."""
    missing = np.array([_is_missing(value) for value in cells], bool)
    if not may_miss:
        _refuse_missing(owner, name, missing)
    text: Array = np.where(missing, "", cells.astype(str))
    return text


def _targets(df: Any, labels: Sequence[str], is_several: bool, before: Meaning | None) -> tuple[Array, tuple[str, ...]]:
    if is_several:
        parts = [_numbers("from_frame", name, _column(df, name)) for name in labels]
        for name, part in zip(labels, parts, strict=True):
            _refuse_missing("from_frame", name, np.isnan(part))
        y = np.stack(parts, axis=1)
        return (y.astype(np.int64) if before is not None and before.task == "classification" else y), ()
    (name,) = labels
    column, known = _column(df, name), () if before is None else before.classes
    _refuse_missing("from_frame", name, np.array([_is_missing(value) for value in column], bool))
    is_number = column.dtype.kind in "fiub"
    if is_number and not known:
        return column, ()
    text = column.astype(str)
    classes = known or tuple(sorted(set(text.tolist())))
    places: dict[Any, int] = {called: place for place, called in enumerate(classes)}
    if is_number and not set(text.tolist()) <= places.keys():  # 1.0 is the class "1"
        places = {number(called): place for place, called in enumerate(classes)}
        values = column.astype(np.float64)
        if set(values.tolist()) <= places.keys():
            return np.array([places[value] for value in values.tolist()], np.int64), classes
    _refuse_unknown("from_frame", f"the label {name!r}", text, classes)
    return np.array([places[value] for value in text.tolist()], np.int64), classes


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _refuse_missing(owner: str, name: str, missing: Array) -> None:
    if missing.any():
        raise ValueError(
            f"{owner}: row {int(np.argmax(missing))}, column {name!r} is missing ({int(missing.sum())} in all); "
            "fill or drop such rows first"
        )


def _refuse_unknown(owner: str, what: str, text: Array, known: Sequence[str]) -> None:
    if unknown := sorted(set(text.tolist()) - set(known)):
        raise ValueError(f"{owner}: {what} has {unknown[0]!r}, which like has not: {', '.join(known)}")
