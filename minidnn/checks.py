"""Checks of arguments, shared by several modules."""

from __future__ import annotations

import difflib
import math
import os
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from minidnn.reference.types import Array


def positive_integer(owner: str, argument: str, value: Any) -> int:
    """Returns the value as an int.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is below 1, or larger than any axis or index of an array.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{owner}: {argument} must be an integer, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{owner}: {argument} must be at least 1, got {_shown(value)}")
    if value > sys.maxsize:
        raise ValueError(f"{owner}: {argument} is {_shown(value)}, must be at most {sys.maxsize}")
    return int(value)


def held_by_float(owner: str, argument: str, value: Any) -> Any:
    """Returns the value unchanged.

    Raises:
        ValueError: it is an integer beyond the range of float64.
    """
    if isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            raise ValueError(
                f"{owner}: {argument} is {_shown(value)}, must be in the range of float64; use math.inf"
            ) from None
    return value


def _shown(value: Any) -> str:
    """The text of an integer; of a large one its number of bits: Python refuses to print more than 4,300 digits."""
    return str(value) if abs(value) < 10**30 else f"an integer of {int(value).bit_length()} bits"


def number(owner: str, argument: str, value: Any, low: float = 0.0, below: float = math.inf) -> float:
    """Returns the value as a float in [low, below).

    Raises:
        TypeError: it is not a number.
        ValueError: it is out of range, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{owner}: {argument} must be a number, got {type(value).__name__}")
    try:
        float(value)
    except OverflowError:  # an integer of more than 308 digits
        value = math.inf if value > 0 else -math.inf
    if not low <= value < below:
        bound = f"in [{low:g}, {below:g})" if below < math.inf else f"finite and at least {low:g}"
        raise ValueError(f"{owner}: {argument} must be {bound}, got {value}")
    return float(value)


def readable(function: Any) -> str:
    """The name, file and line of a Python function; the repr of any other object."""
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(function)
    return f"{function.__name__} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for an unknown name: the closest known name, or ``otherwise`` if none is close."""
    near = difflib.get_close_matches(name.lower(), list(known), 1)
    return f"did you mean {near[0]!r}?" if near else otherwise


def an_array(owner: str, argument: str, value: Any) -> None:
    """Raises a TypeError unless the value is a NumPy array."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{owner}: {argument} must be an array, got {type(value).__name__}")


def same_shape(owner: str, name: str, x: Array, other_name: str, other: Array) -> None:
    """Raises a ValueError unless both have the same shape: a loss never broadcasts."""
    if x.shape != other.shape:
        raise ValueError(f"{owner}: {name} has shape {x.shape}, {other_name} has {other.shape}: they must be the same")
