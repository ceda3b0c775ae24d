"""The array types of this folder's signatures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
