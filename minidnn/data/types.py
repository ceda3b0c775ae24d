"""The array types of this folder's signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidnn.reference.types import Bytes, Floats32, Indices

__all__ = ["Augmentation", "Bytes", "Floats32", "Indices", "Key"]

Key = tuple[int, int, int]
Augmentation = Callable[[Any, Indices, Key], Any]
"""(batch, the examples' numbers, (seed, stream, epoch)) -> a new batch: a function of these alone."""
