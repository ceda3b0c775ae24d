"""The array types in the signatures of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = np.ndarray[Any, Any]
Operand = Array | float
Real = Array | float
"""A number, or an array without axes that holds it."""
Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]
Words = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]
Floats32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Changed = Floats
"""An argument that the function changes in place."""
Counter = npt.NDArray[np.uint64]
"""A count, an array without axes, that the function changes in place."""
