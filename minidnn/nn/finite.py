"""Checks a model for NaN and infinity."""

from __future__ import annotations

import numpy as np

from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter


def not_finite(model: Module) -> str | None:
    """Describes the first parameter that has NaN or infinity, or buffer that has NaN; None if there is none.

    A buffer may be infinite, such as a mask that is added to scores.
    """
    for path, tensor in model.tensors().items():
        if tensor.dtype.kind == "f":
            wrong = ~np.isfinite(tensor.data) if isinstance(tensor, Parameter) else np.isnan(tensor.data)
            if count := np.count_nonzero(wrong):
                return f"{path} has {count} of {tensor.data.size} values that are not finite"
    return None
