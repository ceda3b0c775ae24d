"""The dtype of the inputs of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn.tensor import Tensor

if TYPE_CHECKING:
    from minidnn.nn.module import Module

FLOAT64 = np.dtype(np.float64)


def as_input(module: Module, x: Any) -> Tensor:
    """Converts an input to the tensor that a module computes with.

    If the module has float32 parameters, an array of float64 (NumPy's default) is converted to float32.

    Raises:
        TypeError: x is a float64 Tensor and the module has float32 parameters.
    """
    if not isinstance(x, Tensor):
        made = Tensor(x)
        if made._data.dtype == FLOAT64 and _is_float32(module):
            return Tensor(made._data.astype(np.float32))
        return made
    if x._data.dtype == FLOAT64 and _is_float32(module):
        raise TypeError(
            f"{module.label}: x is a Tensor of float64, must be float32 as the parameters are; give the array itself, "
            "which is converted, or Tensor(x.astype(np.float32))"
        )
    return x


def _is_float32(module: Module) -> bool:
    return any(parameter._data.dtype == np.float32 for parameter in module.parameters())
