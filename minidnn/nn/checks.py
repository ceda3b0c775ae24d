"""Checks that constructors share."""

from __future__ import annotations

from typing import Any

import numpy as np


def positive_integer(owner: str, argument: str, value: Any) -> int:
    """The value as an int.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is below 1.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{owner}: {argument} must be an integer, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{owner}: {argument} must be at least 1, got {value}")
    return int(value)
