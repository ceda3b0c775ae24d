"""Tables of comma-separated values."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from minidnn.data.datasets import ArrayDataset, Dataset
from minidnn.data.meaning import MAX_FLOAT32, Column, Meaning, Task
from minidnn.data.table_cells import Labels, TableError, is_empty, number
from minidnn.data.table_plan import Missing, Name, Names, Options, Plan, numbered, plan, plan_as_before
from minidnn.data.types import Floats32
from minidnn.data.unlabelled import Unlabelled

__all__ = ["TableError", "load_csv"]

MOST_BYTES_PER_BYTE, FREE_BYTES = 64, 1 << 26
"""The inputs may take this many bytes for each byte of the file, or this many in all: each value of a category is an
input of its own, so that a column of names would take the square of its length."""


@overload
def load_csv(
    path: str | os.PathLike[str],
    label: Names = "",
    *,
    task: Task | None = None,
    categories: Sequence[Name] = (),
    ignore: Sequence[Name] = (),
    missing: Missing = None,
    like: Dataset | Meaning | None = None,
    unknown: Literal["refuse", "zeros"] = "refuse",
    header: bool = True,
    delimiter: str = ",",
) -> ArrayDataset: ...
@overload
def load_csv(
    path: str | os.PathLike[str],
    label: None,
    *,
    task: Task | None = None,
    categories: Sequence[Name] = (),
    ignore: Sequence[Name] = (),
    missing: Missing = None,
    like: Dataset | Meaning | None = None,
    unknown: Literal["refuse", "zeros"] = "refuse",
    header: bool = True,
    delimiter: str = ",",
) -> Unlabelled: ...
def load_csv(
    path: str | os.PathLike[str],
    label: Names | None = "",
    *,
    task: Task | None = None,
    categories: Sequence[Name] = (),
    ignore: Sequence[Name] = (),
    missing: Missing = None,
    like: Dataset | Meaning | None = None,
    unknown: Literal["refuse", "zeros"] = "refuse",
    header: bool = True,
    delimiter: str = ",",
) -> ArrayDataset | Unlabelled:
    """A CSV file (RFC 4180, UTF-8): a row is an example, a column an input, one column the label, or several.

    train = data.load_csv("train.csv", "survived", task="classification", categories=["port"], missing="mean")
    test = data.load_csv("test.csv", like=train)
    new = data.load_csv("new.csv", None, like=train)

    A column is given by its name, or by its number from 0 (-1 is the last).

    Args:
        label: the column of the labels; a list of columns of numbers for targets (n, k); None for a file without
            labels, or whose labels are not read. May be left out with ``like``.
        task: "classification" makes a class of each different label, numbers in numerical order, text in alphabetical
            order; several columns must be 0 or 1, one for each label that an example may have. "regression" takes the
            labels as numbers. None: numbers are numbers, text is a class, and labels of both kinds are an error.
        categories: columns of text; each becomes an input for each of its values, in alphabetical order, 1 where the
            value is that one, else 0.
        ignore: columns to leave out.
        missing: how to read an empty cell (or NA, N/A, NaN, null) in a column of numbers. None refuses it; "mean" puts
            in the mean of the column's other cells; "indicator" does that too, and adds an input ``COLUMN=missing`` for
            each column that has such cells; a number is put in as it is. With any of them an empty cell of a category
            is a value of its own.
        like: reads the file as that one was read: the same columns, found by name, in the same order; the same
            categories, classes, numbers for empty cells, and standardization. Other options need not be given again.
        unknown: a value of a category that ``like`` does not have is refused, or gives zeros.
        header: whether the first line has the columns' names; without it they are "0", "1", ...

    Returns:
        An `ArrayDataset` with float32 examples, the numbers first, then the categories; ``columns`` has the inputs'
        names, ``COLUMN=VALUE`` for those of a category. Labels are int64 for classes, else float32. For ``label=None``
        an `Unlabelled`.

    Raises:
        TableError: a row with more or fewer cells than the first; a cell or label that is empty, no finite number, or
            an unknown value; no rows; bytes that are not UTF-8; a category with too many values, whose inputs take
            many times the file's size.
        ValueError: no such column, one named twice, or options that differ from those of ``like``.
        OSError: the file cannot be read.
    """
    path, before = Path(path), like.meaning if isinstance(like, Dataset) else like
    options = Options(label, task, tuple(categories), tuple(ignore), missing, unknown)
    options = options.as_before(before) if before else options
    options.check()
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            first = next(rows, None)
            if first is None:
                raise TableError(f"load_csv: {path} is empty")
            names = [name.strip() for name in first] if header else numbered(len(first), options, before)
            made = plan_as_before(path, names, options, before) if before else plan(path, names, options)
            cells = _read(path, rows if header else chain([first], rows), rows, made, options)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(f"load_csv: {path}, line {rows.line_num}: {error}") from error
    x, source = _inputs(path, cells, made, options)
    if before:
        before.prepared(x, out=x)
    return _finished(path, x, source, cells, made, options, before)


@dataclass
class _Cells:
    """What was read: numbers row by row, NaN where a cell is empty; categories as numbers of their values."""

    numbers: array[float]
    values: list[dict[str, int]]
    codes: list[array[int]]
    labels: list[Labels]
    rows: int = 0


def _read(path: Path, rows: Iterator[list[str]], reader: Any, plan: Plan, options: Options) -> _Cells:
    numbers, texts = [(i, plan.columns[i]) for i in plan.numbers], [(i, plan.columns[i]) for i in plan.texts]
    places = [i for i, _ in numbers]
    values = [{value: code for code, value in enumerate(column.categories or ())} for _, column in texts]
    cells = _Cells(array("f"), values, [array("q") for _ in texts], [Labels() for _ in plan.targets])
    for row in rows:
        if not row:
            continue  # an empty line
        where = f"load_csv: {path}, line {reader.line_num}"
        if len(row) != len(plan.names):
            raise TableError(f"{where}: has {len(row)} cells, must have {len(plan.names)}")
        for target, labels in zip(plan.targets, cells.labels, strict=True):
            if not (label := row[target].strip()):
                which = f" in column {plan.names[target]!r}" if len(plan.targets) > 1 else ""
                raise TableError(f"{where}: the label{which} is empty")
            labels.add(label, reader.line_num)
        cells.numbers.extend(
            _plain_numbers(row, places) or [_number(where, row[i], column, plan, options) for i, column in numbers]
        )
        for (i, column), known, codes in zip(texts, cells.values, cells.codes, strict=True):
            codes.append(_code(where, row[i].strip(), column, known, plan, options))
        cells.rows += 1
    if not cells.rows:
        raise TableError(f"load_csv: {path} has no rows")
    return cells


def _plain_numbers(row: list[str], places: list[int]) -> list[float] | None:
    """The numbers of a row where all are finite float32, as in nearly every one; else `_number` looks at each."""
    try:
        values = [float(row[i]) for i in places]
    except ValueError:
        return None
    fine = all(-MAX_FLOAT32 <= value <= MAX_FLOAT32 for value in values) and not any("_" in row[i] for i in places)
    return values if fine else None


def _number(where: str, text: str, column: Column, plan: Plan, options: Options) -> float:
    value = number(text)
    if value is not None:
        return value
    if is_empty(text) and (column.fill is not None if plan.fixed else options.missing is not None):
        return float("nan")
    begin = f"{where}: column {column.name!r} has {text!r}, must be"
    if is_empty(text):
        raise TableError(f"{begin} a number; {_remedy(plan)}")
    try:
        float(text)
    except ValueError:
        hint = "" if plan.fixed else f"; give categories=[{column.name!r}] or ignore=[{column.name!r}] if it is text"
        raise TableError(f"{begin} a number{hint}") from None
    raise TableError(f"{begin} a finite float32")


def _remedy(plan: Plan) -> str:
    if plan.fixed:
        return "the first file has no empty cell in this column, or was read without missing='mean'"
    return "missing='mean' or missing='indicator' reads empty cells"


def _code(where: str, text: str, column: Column, known: dict[str, int], plan: Plan, options: Options) -> int:
    if plan.fixed:
        code = known.get(text, -1)
        if code < 0 and options.unknown == "refuse":
            shown = ", ".join(map(repr, (column.categories or ())[:20]))
            raise TableError(
                f"{where}: column {column.name!r} has {text!r}, must be one of {shown}; unknown='zeros' reads others"
            )
        return code
    if not text and options.missing is None:
        raise TableError(f"{where}: column {column.name!r} is empty; missing='mean' makes a category of empty cells")
    return known.setdefault(text, len(known))


def _inputs(path: Path, cells: _Cells, plan: Plan, options: Options) -> tuple[Floats32, tuple[Column, ...]]:
    """The inputs, and how each column became them."""
    raw = np.frombuffer(cells.numbers, np.float32).reshape(cells.rows, len(plan.numbers))
    numbers = dict(zip(plan.numbers, raw.T, strict=True))
    texts = dict(zip(plan.texts, zip(cells.values, cells.codes, strict=True), strict=True))
    source = dict(plan.columns)
    if not plan.fixed:
        source |= {i: _filled(path, source[i], column, options) for i, column in numbers.items()}
        source |= {i: replace(source[i], categories=tuple(sorted(known))) for i, (known, _) in texts.items()}
    width = sum(len(column.inputs) for column in source.values())
    _check_size(path, cells, width, [*source.values()])
    x, at = np.zeros((cells.rows, width), np.float32), 0
    for i, column in source.items():
        if i in numbers:
            empty = np.isnan(numbers[i])
            x[:, at] = np.where(empty, np.float32(column.fill or 0), numbers[i])
            if column.indicator:
                x[:, at + 1] = empty
        else:
            _one_hot(x, at, column, *texts[i])
        at += len(column.inputs)
    return x, tuple(source.values())


def _filled(path: Path, column: Column, cells: Floats32, options: Options) -> Column:
    """The column, with what stands for its empty cells."""
    if options.missing is None:
        return column
    if not isinstance(options.missing, str):
        return replace(column, fill=float(np.float32(options.missing)))
    empty, name = np.isnan(cells), column.name
    if options.missing == "indicator" and not empty.any():
        return column
    if empty.all():
        raise TableError(
            f"load_csv: {path}: column {name!r} is empty in every row; leave it out with ignore=[{name!r}]"
        )
    mean = float(np.float32(cells[~empty].mean(dtype=np.float64)))
    return replace(column, fill=mean, indicator=options.missing == "indicator")


def _check_size(path: Path, cells: _Cells, width: int, source: list[Column]) -> None:
    size = path.stat().st_size
    if 4 * cells.rows * width > max(FREE_BYTES, MOST_BYTES_PER_BYTE * size):
        most = max(source, key=lambda column: len(column.inputs))
        raise TableError(
            f"load_csv: {path}: column {most.name!r} has {len(most.inputs)} different values, each of them an input, "
            f"which takes {4 * cells.rows * width:,} bytes; leave it out with ignore=[{most.name!r}]"
        )


def _one_hot(x: Floats32, at: int, column: Column, known: dict[str, int], codes: array[int]) -> None:
    """Puts a 1 where a row has a value; codes are those of ``known``, places those of ``column.categories``."""
    places = {value: place for place, value in enumerate(column.categories or ())}
    order = np.array([places[value] for value in known], np.int64)
    given = np.frombuffer(codes, np.int64)
    rows = np.flatnonzero(given >= 0)
    x[rows, at + order[given[rows]]] = 1


def _finished(
    path: Path,
    x: Floats32,
    source: tuple[Column, ...],
    cells: _Cells,
    plan: Plan,
    options: Options,
    before: Meaning | None,
) -> ArrayDataset | Unlabelled:
    columns, where = tuple(name for column in source for name in column.inputs), f"load_csv: {path}"
    meaning = before or Meaning(columns=columns, source=source, ignored=plan.ignored, missing=options.missing)
    if not plan.targets:
        unlabelled = Unlabelled(x, columns)
        unlabelled.meaning = meaning
        return unlabelled
    y, task, classes = _targets(where, cells, plan, options, before)
    table = ArrayDataset(x, y, classes, columns)
    names = tuple(plan.names[target] for target in plan.targets)
    label = meaning.label or (names if options.is_several else names[0])
    table.meaning = replace(meaning, task=task, label=label, classes=classes)
    return table


def _targets(
    where: str, cells: _Cells, plan: Plan, options: Options, before: Meaning | None
) -> tuple[Any, Task, tuple[str, ...]]:
    """Targets, their task, and the names of classes."""
    if options.is_several:
        task = options.task or "regression"
        if task == "classification":
            columns = [labels.flags(where, plan.names[i]) for i, labels in zip(plan.targets, cells.labels, strict=True)]
        else:
            columns = [labels.values(where) for labels in cells.labels]
        return np.stack(columns, axis=1), task, ()
    (labels,) = cells.labels
    task = options.task or labels.task(where)
    if task == "classification":
        y, classes = labels.classes(where, () if before is None else before.classes)
        return y, task, classes
    return labels.values(where), task, ()
