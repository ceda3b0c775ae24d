"""The role of each column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from minidnn.data.meaning import TASKS, Column, Meaning, Task
from minidnn.data.table_cells import number

Name = str | int
Names = Name | Sequence[Name]
Missing = Literal["mean", "indicator"] | float | None


@dataclass(frozen=True)
class Options:
    """The arguments of `minidnn.data.load_csv`; label is "" where none was given."""

    label: Names | None
    task: Task | None
    categories: tuple[Name, ...]
    ignore: tuple[Name, ...]
    missing: Missing
    unknown: str

    @property
    def labels(self) -> tuple[Name, ...]:
        """The columns of the labels, none where they are not read."""
        if self.label is None:
            return ()
        return (self.label,) if isinstance(self.label, (str, int)) else tuple(self.label)

    @property
    def is_several(self) -> bool:
        """Whether the targets are columns, (n, k)."""
        return self.label is not None and not isinstance(self.label, (str, int))

    def check(self) -> None:
        """Raises a ValueError where one is invalid by itself."""
        if self.task not in (None, *TASKS):
            raise ValueError(f"load_csv: task is {self.task!r}, must be None or one of {', '.join(TASKS)}")
        missing: Any = self.missing
        is_number = isinstance(missing, (int, float)) and not isinstance(missing, bool) and number(missing) is not None
        if not (is_number or missing in (None, "mean", "indicator")):
            raise ValueError(f"load_csv: missing is {missing!r}, must be None, 'mean', 'indicator' or a finite number")
        if self.unknown not in ("refuse", "zeros"):
            raise ValueError(f"load_csv: unknown is {self.unknown!r}, must be 'refuse' or 'zeros'")
        if self.label == "":
            raise ValueError("load_csv: label is missing, must name a column, or be None for a file without labels")
        if self.is_several and not self.labels:
            raise ValueError("load_csv: label is an empty list, must name a column; None is for a file without labels")

    def as_before(self, before: Meaning) -> Options:
        """Those of the first file, of which none may be given again as another.

        Raises:
            ValueError: one was, or the first was no table.
        """
        if not before.source:
            raise ValueError("load_csv: like was not read by load_csv, so it does not say what the columns are")
        categories = tuple(column.name for column in before.source if column.categories is not None)
        missing: Any = before.missing
        for name, value, wanted in (
            ("task", self.task, before.task),
            ("missing", self.missing, missing),
            ("categories", set(self.categories) or None, set(categories)),
        ):
            if value is not None and wanted is not None and value != wanted:
                raise ValueError(f"load_csv: {name} is {value!r}, must be that of like, {wanted!r}; leave it out")
        label = (before.label or None) if self.label == "" else self.label
        task = before.task or self.task
        return replace(self, label=label, task=task, categories=categories, missing=missing)


@dataclass(frozen=True)
class Plan:
    """The role of each cell of a row.

    Attributes:
        columns: place -> how the cells become inputs; numbers first, then categories.
        targets: the places of the labels; none where they are not read.
        fixed: whether the columns are those of another file, with all their categories.
        ignored: names of columns that were left out.
    """

    names: list[str]
    columns: dict[int, Column]
    targets: tuple[int, ...]
    fixed: bool
    ignored: tuple[str, ...]

    @property
    def numbers(self) -> list[int]:
        return [i for i, column in self.columns.items() if column.categories is None]

    @property
    def texts(self) -> list[int]:
        return [i for i, column in self.columns.items() if column.categories is not None]


def plan(path: Path, names: list[str], options: Options) -> Plan:
    """The plan of a first file.

    Raises:
        ValueError: no such column, or one named twice.
    """
    targets = tuple(place(path, names, label) for label in options.labels)
    texts = [place(path, names, column) for column in options.categories]
    left_out = [place(path, names, column) for column in options.ignore]
    used = [*targets, *texts, *left_out]
    if len(set(used)) < len(used):
        raise ValueError(f"load_csv: label, categories and ignore name a column of {path} twice")
    numbers = [i for i in range(len(names)) if i not in set(used)]
    seen: set[str] = set()
    for i in (*numbers, *texts):
        if names[i] in seen:
            raise ValueError(f"load_csv: {path} has two columns {names[i]!r}; leave one out with ignore=[{i}]")
        seen.add(names[i])
    columns = {i: Column(names[i]) for i in numbers} | {i: Column(names[i], ()) for i in texts}
    return Plan(names, columns, targets, False, tuple(names[i] for i in left_out))


def plan_as_before(path: Path, names: list[str], options: Options, before: Meaning) -> Plan:
    """The plan of a file that is read as another one was: its columns by name, in the same order.

    Raises:
        ValueError: a column is missing, or there is one that the other file did not have.
    """
    targets = tuple(place(path, names, label) for label in options.labels)
    columns = {place(path, names, column.name): column for column in before.source}
    left_out = {place(path, names, column) for column in options.ignore}
    for i in (*targets, *left_out):
        if i in columns:
            raise ValueError(
                f"load_csv: label and ignore name {columns[i].name!r} of {path}, which is an input of like"
            )
    passed = {*before.labels, *before.ignored}
    for i, name in enumerate(names):
        if i not in targets and i not in columns and i not in left_out and name not in passed:
            raise ValueError(
                f"load_csv: {path} has a column {name!r} that like does not have; leave it out with ignore=[{name!r}]"
            )
    return Plan(names, columns, targets, True, before.ignored)


def numbered(width: int, options: Options, before: Meaning | None) -> list[str]:
    """The names of the columns of a file without a header."""
    if before is not None and options.label is None and width == len(before.source):  # the label's column is gone
        return sorted((column.name for column in before.source), key=lambda name: (len(name), name))
    return [str(i) for i in range(width)]


def place(path: Path, names: Sequence[str], column: Name) -> int:
    """Where a column is.

    Raises:
        ValueError: there is none, or more than one.
    """
    if isinstance(column, int) and -len(names) <= column < len(names):
        return column % len(names)
    if names.count(column) != 1:
        shown = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
        raise ValueError(f"load_csv: {path} must have one column {column!r}, has {len(names)} columns: {shown}")
    return names.index(column)
