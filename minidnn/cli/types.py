"""Argument types: each returns the parsed value or raises with a one-line message."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minidnn.files import named_file


def count(text: str) -> int:
    """An integer of at least 1."""
    return _integer(text, "an integer of at least 1", lambda value: value >= 1)


def at_least_zero(text: str) -> int:
    """An integer of at least 0."""
    return 0 if text == "0" else count(text)


def hosts(text: str) -> dict[str, int]:
    """Hosts with their numbers of ranks, as a:4,b:4; 1 where there is no number."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, slots = part.partition(":")
        if not name or name.startswith("-") or name in found:
            raise argparse.ArgumentTypeError(f"must be hosts with numbers of ranks, such as a:4,b:4, got {text!r}")
        found[name] = count(slots or "1")
    return found


def file(text: str) -> Path:
    """The path of a file."""
    try:
        return named_file(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"must be a file, got {text!r}, which ends with a slash") from error


def column(text: str) -> str | int:
    """A column of a table: its number from 0 (-1 is the last), or its name."""
    try:
        return int(text)
    except ValueError:
        return text


def columns(text: str) -> str | int | list[str | int]:
    """A column of a table, or several separated by commas."""
    parts = [column(part.strip()) for part in text.split(",")]
    return parts if len(parts) > 1 else parts[0]


def seed(text: str) -> int:
    """An integer in [0, 2**64)."""
    return _integer(text, "an integer in [0, 2**64)", lambda value: 0 <= value < 2**64)


def rate(text: str) -> float:
    """A finite number above 0."""
    return _number(text, "a finite number above 0", lambda value: math.isfinite(value) and value > 0)


def fraction(text: str) -> float:
    """A number in [0, 1)."""
    return _number(text, "a number in [0, 1)", lambda value: 0 <= value < 1)


def share(text: str) -> float:
    """A number in (0, 0.5)."""
    return _number(text, "a number between 0 and 0.5", lambda value: 0 < value < 0.5)


def decay(text: str) -> float:
    """A finite number of at least 0."""
    return _number(text, "a finite number of at least 0", lambda value: math.isfinite(value) and value >= 0)


def port(text: str) -> int:
    """A port, or 0 for a free one."""
    return _integer(text, "an integer in [0, 65535]", lambda value: 0 <= value < 2**16)


def image_size(text: str) -> tuple[int, ...]:
    """Height and width, as 32x32; 32x32x3 for colours."""
    try:
        values = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        values = ()
    if len(values) not in (2, 3) or min(values) < 1 or max(values) > 10_000 or values[2:] not in ((), (3,)):
        raise argparse.ArgumentTypeError(
            f"must be height and width such as 32x32, or 32x32x3 for colours, got {text!r}"
        )
    return values


def names(text: str) -> list[str]:
    """Names separated by commas, such as lr,batch_size."""
    return [name.strip() for name in text.split(",") if name.strip()]


def points(text: str) -> float:
    """A finite number of percentage points, at least 0."""
    return _number(text, "a finite number, at least 0", lambda value: math.isfinite(value) and value >= 0)


def sizes(text: str) -> list[int]:
    """Layer sizes, such as 300,50."""
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or min(values) < 1 or max(values) > 100_000:
        raise argparse.ArgumentTypeError(f"must be sizes from 1 to 100000 such as 300,50, got {text!r}")
    return values


def interval(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A parser of LOW,HIGH, each of that kind; a single number stands for both."""

    def parse(text: str) -> list[Any]:
        values = [kind(part) for part in text.split(",")]
        if len(values) > 2 or values[0] > values[-1]:
            raise argparse.ArgumentTypeError(f"must be LOW,HIGH or one number, got {text!r}")
        return [values[0], values[-1]]

    return parse


def _number(text: str, wanted: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not fits(value):
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
    return value


def _integer(text: str, wanted: str, fits: Callable[[int], bool]) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}") from None
    if not fits(value):
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
    return value
