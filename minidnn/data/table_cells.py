"""The cells of a table: numbers, empty ones, labels."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from minidnn.data.meaning import MAX_FLOAT32, Task

_EMPTY = frozenset(("", "na", "n/a", "nan", "null"))


class TableError(ValueError):
    """A table that cannot be read; the message names the file, the line and the fault."""


def number(text: Any) -> float | None:
    """The number, if it is a finite float32."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= MAX_FLOAT32 and "_" not in str(text) else None


def is_empty(text: str) -> bool:
    """Whether a cell of a column of numbers stands for a missing value."""
    return text.strip().casefold() in _EMPTY


class Labels:
    """The labels of a table, of which each text is kept once, with the line where it came first."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._lines = array("q")
        self._rows = array("q")

    def add(self, text: str, line: int) -> None:
        code = self._codes.setdefault(text, len(self._codes))
        if code == len(self._lines):
            self._lines.append(line)
        self._rows.append(code)

    def task(self, where: str) -> Task:
        """Regression for numbers, classification for text.

        Raises:
            TableError: some are numbers and some are not.
        """
        numbers = {text: number(text) is not None for text in self._codes}
        if len(set(numbers.values())) > 1:
            text = next(text for text, is_number in numbers.items() if not is_number)
            raise TableError(
                f"{where}, line {self._line(text)}: the label is {text!r}, others are numbers; give "
                "task='classification' if they are classes"
            )
        return "regression" if all(numbers.values()) else "classification"

    def values(self, where: str) -> Any:
        """The labels as float32 (n,).

        Raises:
            TableError: one is no number.
        """
        for text in self._codes:
            if number(text) is None:
                raise TableError(f"{where}, line {self._line(text)}: the label is {text!r}, must be a finite number")
        return np.array([float(text) for text in self._codes], np.float32)[self._places()]

    def flags(self, where: str, name: str) -> Any:
        """The labels as int64 (n,), each 0 or 1.

        Args:
            name: of their column.

        Raises:
            TableError: one is another number, or none.
        """
        for text in self._codes:
            if number(text) not in (0.0, 1.0):
                raise TableError(
                    f"{where}, line {self._line(text)}: column {name!r} has {text!r}, must be 0 or 1, as several "
                    "labels say whether an example has each; give task='regression' for numbers"
                )
        return self.values(where).astype(np.int64)

    def classes(self, where: str, known: tuple[str, ...] = ()) -> tuple[Any, tuple[str, ...]]:
        """The labels as int64 (n,), and the names of the classes: those that are known, else all there are in order.

        Numbers are in numerical order, and written in two ways (1 and 1.0) are the same class.

        Raises:
            TableError: a label is none of the known classes.
        """
        names = known or self._names()
        by_name = {name: i for i, name in enumerate(names)}
        values = [number(name) for name in names]
        by_value = {} if None in values else {value: i for i, value in enumerate(values)}
        places = []
        for text in self._codes:
            place = by_name.get(text, by_value.get(number(text)))
            if place is None:
                shown = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
                line = self._line(text)
                raise TableError(f"{where}, line {line}: the label is {text!r}, must be one of the classes {shown}")
            places.append(place)
        return np.array(places, np.int64)[self._places()], names

    def _names(self) -> tuple[str, ...]:
        if any(number(text) is None for text in self._codes):
            return tuple(sorted(self._codes))
        shortest: dict[float, str] = {}
        for text in sorted(self._codes, key=lambda text: (len(text), text)):
            shortest.setdefault(float(text), text)
        return tuple(shortest[value] for value in sorted(shortest))

    def _places(self) -> Any:
        return np.frombuffer(self._rows, np.int64)

    def _line(self, text: str) -> int:
        return self._lines[self._codes[text]]
