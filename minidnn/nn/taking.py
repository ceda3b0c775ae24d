"""The type of the numbers that a module is called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn.tensor import Tensor

if TYPE_CHECKING:
    from minidnn.nn.module import Module

FLOAT64 = np.dtype(np.float64)


def as_input(module: Module, x: Any) -> Tensor:
    """The tensor that a module computes with.

    An array of float64, which is NumPy's default, becomes float32 here, once, where the module has parameters of
    float32.

    Raises:
        TypeError: a Tensor of float64 for such a module: whoever asks for its gradient wants float64 throughout.
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
