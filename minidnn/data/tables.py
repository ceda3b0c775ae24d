"""Tables of comma-separated values."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.data.datasets import ArrayDataset
from minidnn.data.types import Indices

_LARGEST = float(np.finfo(np.float32).max)


class TableError(ValueError):
    """A table that cannot be read; the message names the file, the line and the fault."""


def load_csv(
    path: str | os.PathLike[str],
    label: str | int,
    *,
    categories: Sequence[str | int] = (),
    missing: float | None = None,
    header: bool = True,
    delimiter: str = ",",
) -> ArrayDataset:
    """A CSV file (RFC 4180, UTF-8): a row an example, a column an input, one the label.

    Args:
        label: the label's column, by name or by number from 0 (-1 is the last). Integers >= 0 are kept as they are;
            anything else is a class, numbered in alphabetical order and named in ``classes``.
        categories: columns of text; each becomes an input for each of its values, in alphabetical order, 1 where the
            value is that one, else 0.
        missing: stands for empty cells of numbers; None: an empty cell is an error.
        header: whether the first line has the columns' names; without it they are "0", "1", ...

    Returns:
        float32 examples, the numbers first, then the categories; ``columns`` has the inputs' names, ``COLUMN=VALUE``
        for those of a category.

    Raises:
        TableError: a row with more or fewer cells than the first, a cell that is no finite number, an empty label, no
            rows, bytes that are not UTF-8.
        ValueError: no such column, or one named twice.
        OSError: the file cannot be read.
    """
    path = Path(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            return _read(path, rows, label, categories, missing, header)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(f"load_csv: {path}, line {rows.line_num}: {error}") from error


def _read(
    path: Path, rows: Any, label: str | int, categories: Sequence[str | int], missing: float | None, header: bool
) -> ArrayDataset:
    first = next(rows, None)
    if first is None:
        raise TableError(f"load_csv: {path} is empty")
    names = first if header else [str(i) for i in range(len(first))]
    target = _place(path, names, label)
    texts = [_place(path, names, column) for column in categories]
    if len({target, *texts}) <= len(texts):
        raise ValueError(f"load_csv: label and categories name a column of {path} twice")
    numbers = [i for i in range(len(names)) if i not in (target, *texts)]
    values, labels = array("f"), list[str]()
    cells: list[list[str]] = [[] for _ in texts]
    for row in rows if header else chain([first], rows):
        if not row:
            continue  # an empty line
        where = f"load_csv: {path}, line {rows.line_num}"
        if len(row) != len(names):
            raise TableError(f"{where}: has {len(row)} cells, must have {len(names)}")
        if not (text := row[target].strip()):
            raise TableError(f"{where}: the label is empty")
        labels.append(text)
        values.extend([_number(where, names[i], row[i], missing) for i in numbers])
        for column, i in zip(cells, texts, strict=True):
            column.append(row[i].strip())
    if not labels:
        raise TableError(f"load_csv: {path} has no rows")
    x = [np.array(values, np.float32).reshape(len(labels), len(numbers))]
    columns = [names[i] for i in numbers]
    for column, i in zip(cells, texts, strict=True):
        known, place = np.unique(np.array(column), return_inverse=True)
        x.append(np.eye(len(known), dtype=np.float32)[place])
        columns += [f"{names[i]}={value}" for value in known]
    return ArrayDataset(np.concatenate(x, axis=1), *_labels(labels), columns)


def _place(path: Path, names: list[str], column: str | int) -> int:
    found = [i for i, name in enumerate(names) if name.strip() == column]
    if isinstance(column, int) and -len(names) <= column < len(names):
        return column % len(names)
    if len(found) != 1:
        shown = ", ".join(names[:20])
        raise ValueError(f"load_csv: {path} must have one column {column!r}, has {len(names)} columns: {shown}")
    return found[0]


def _number(where: str, column: str, text: str, missing: float | None) -> float:
    if missing is not None and not text.strip():
        return missing
    try:
        value = float(text)
    except ValueError:
        raise TableError(f"{where}: column {column!r} has {text!r}, must be a number") from None
    if not abs(value) <= _LARGEST:
        raise TableError(f"{where}: column {column!r} has {text!r}, must be a finite float32")
    return value


def _labels(texts: list[str]) -> tuple[Indices, tuple[str, ...]]:
    if all(text.isascii() and text.isdecimal() and len(text) < 19 for text in texts):
        return np.array([int(text) for text in texts]), ()
    known, y = np.unique(np.array(texts), return_inverse=True)
    return y, tuple(map(str, known))
