"""The array types of this folder's signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

Key = tuple[int, int, int]
Augmentation = Callable[[Any, Indices, Key], Any]
"""(batch, the examples' numbers, (seed, stream, epoch)) -> a new batch: a function of these alone."""
