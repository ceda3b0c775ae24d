"""The meaning of a data set's inputs and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = ("classification", "regression")
MAX_FLOAT32 = float(np.finfo(np.float32).max)


class MeaningError(ValueError):
    """An invalid description of a data set, or two that differ."""


@dataclass(frozen=True)
class Column:
    """How one column of a table becomes inputs.

    Attributes:
        name: in the table's header.
        categories: the values of a text column, with one input for each; None for a column of numbers.
        fill: the number for an empty cell; None: an empty cell is refused.
        indicator: whether there is a second input, 1 where the cell is empty, else 0.
    """

    name: str
    categories: tuple[str, ...] | None = None
    fill: float | None = None
    indicator: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs: ``NAME``, ``NAME=missing``, ``NAME=VALUE``."""
        if self.categories is not None:
            return tuple(f"{self.name}={value}" for value in self.categories)
        return (self.name, f"{self.name}=missing") if self.indicator else (self.name,)


@dataclass(frozen=True)
class Meaning:
    """The meaning of inputs and targets; unknown parts are None or empty.

    Every data set has one (``train.meaning``). `minidnn.save(model, path, meaning=...)` stores it in the model's file,
    where `read_meaning` and the command line find it.

    Attributes:
        task: "classification" or "regression".
        label: the target's column in a table; a tuple of them where there are several targets.
        classes: the names of the labels 0, 1, ...
        columns: the names of the inputs.
        source: how the columns of a table become these inputs.
        ignored: the columns of the table that were left out.
        missing: how empty cells were read; see `load_csv`.
        mean, std: of the standardization that the inputs have gone through, one number for each input.
        image_shape: (h, w) or (h, w, 3) of pictures.
        resized: whether pictures of other sizes are resized to it, rather than refused.
        from_bytes: whether the inputs were bytes, which stand for 0.0 to 1.0.
    """

    task: Task | None = None
    label: str | tuple[str, ...] = ""
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    source: tuple[Column, ...] = ()
    ignored: tuple[str, ...] = ()
    missing: str | float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    image_shape: tuple[int, ...] = ()
    resized: bool = False
    from_bytes: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The targets' columns, in order; none where no name is known."""
        return self.label if isinstance(self.label, tuple) else (self.label,) if self.label else ()

    @property
    def has_several_labels(self) -> bool:
        """Whether an example has several targets, each of them a column."""
        return isinstance(self.label, tuple)

    def standardized(self, mean: Any, std: Any) -> Meaning:
        """The meaning of the inputs after ``(x - mean) / std``; combined with an earlier standardization, if any."""
        mean, std = [float(m) for m in mean], [float(s) for s in std]
        if self.mean:
            mean = [m + s * more for m, s, more in zip(self.mean, self.std, mean, strict=True)]
            std = [s * more for s, more in zip(self.std, std, strict=True)]
        return replace(self, mean=tuple(mean), std=tuple(std))

    def prepared(self, x: Any, out: Any = None) -> Any:
        """The standardized inputs, ``(x - mean) / std`` in float32; x itself without standardization.

        Args:
            out: where to write it, such as x itself.
        """
        if not self.mean:
            return x
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.divide(np.subtract(x, mean, out=out), std, out=out)

    def check_same(self, where: str, other: Meaning, name: str = "the data set") -> None:
        """Refuses another data set if both define an attribute and the values differ; the message names it.

        Raises:
            MeaningError: they differ.
        """
        for attribute in ("task", "classes", "columns", "image_shape", "mean", "std"):
            mine, others = getattr(self, attribute), getattr(other, attribute)
            if mine and others and mine != others:
                raise MeaningError(f"{where}: {attribute} of {name}: {_short(others)}, must be {_short(mine)}")

    def check_scale(self, where: str, x: Any) -> None:
        """Checks that x is uint8 or in [0.0, 1.0] if the inputs were bytes.

        Raises:
            MeaningError: x has another range.
        """
        if self.from_bytes and x.dtype != "uint8" and x.size and not (x.min() >= 0 and x.max() <= 1):
            raise MeaningError(
                f"{where}: {x.dtype} from {x.min()} to {x.max()}, but the model learned from bytes, which stand for "
                "0.0 to 1.0; save them as uint8, or divide them by 255"
            )

    def to_json(self) -> dict[str, Any]:
        """The known attributes, as values for JSON."""
        known = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return known | ({"source": [vars(column) for column in self.source]} if self.source else {})

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """The meaning from the result of `to_json`.

        Raises:
            MeaningError: the document is invalid.
        """
        entries = dict(_mapping(document, "the meaning", {f.name for f in fields(cls)}))
        if entries.get("task") not in (None, *TASKS):
            raise MeaningError(f"task is {entries['task']!r}, must be one of {', '.join(TASKS)}")
        for name in ("classes", "columns", "ignored"):
            entries[name] = _tuple(entries.get(name, ()), name, str)
        for name in ("mean", "std"):
            entries[name] = tuple(_number(number, name) for number in _tuple(entries.get(name, ()), name, (int, float)))
        entries["image_shape"] = _tuple(entries.get("image_shape", ()), "image_shape", int)
        entries["source"] = tuple(_column(column) for column in _tuple(entries.get("source", ()), "source", Mapping))
        label = entries.get("label", "")
        entries["label"] = (
            _tuple(label, "label", str) if isinstance(label, (list, tuple)) else _kind(label, "label", str)
        )
        for name in ("resized", "from_bytes"):
            _kind(entries.get(name, False), name, bool)
        if "missing" in entries and not isinstance(entries["missing"], str):
            entries["missing"] = _number(entries["missing"], "missing")
        meaning = cls(**entries)
        meaning._check()
        return meaning

    def _check(self) -> None:
        widths = {len(part) for part in (self.columns, self.mean, self.std) if part}
        names = tuple(name for column in self.source for name in column.inputs)
        if len(widths) > 1 or len(self.mean) != len(self.std) or (self.source and names != self.columns):
            raise MeaningError("columns, source, mean and std are not those of the same inputs")
        if not all(self.std):
            raise MeaningError("std must not be 0")
        shape = self.image_shape
        if shape and (len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)) or min(shape) < 1):
            raise MeaningError(f"image_shape is {shape}, must be (h, w) or (h, w, 3)")


def meaning_of(model: Any) -> Meaning | None:
    """The meaning of a model's training data; None if unknown."""
    meaning = model.meaning
    return meaning if isinstance(meaning, Meaning) else None


def _column(entry: Any) -> Column:
    known = _mapping(entry, "a column", {f.name for f in fields(Column)})
    categories, fill = known.get("categories"), known.get("fill")
    if categories is not None:
        categories = _tuple(categories, "categories", str)
    if fill is not None:
        fill = _number(fill, "fill")
    indicator = _kind(known.get("indicator", False), "indicator", bool)
    return Column(_kind(known.get("name"), "name", str), categories, fill, indicator)


def _mapping(value: Any, name: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not set(value) <= known:
        raise MeaningError(f"{name} is {_short(value)}, must be a mapping with some of {', '.join(sorted(known))}")
    return value


def _tuple(value: Any, name: str, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise MeaningError(f"{name} is {_short(value)}, must be a list")
    return tuple(_kind(item, name, kind) for item in value)


def _kind(value: Any, name: str, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise MeaningError(f"{name} holds {_short(value)}, which is of another kind")
    return value


def _number(value: Any, name: str) -> float:
    _kind(value, name, (int, float))
    if not -MAX_FLOAT32 <= value <= MAX_FLOAT32:
        raise MeaningError(f"{name} holds {_short(value)}, must be a finite float32")
    return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
