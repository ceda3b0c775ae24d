"""Whether a model can still be used."""

from __future__ import annotations

import numpy as np

from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter


def not_finite(model: Module) -> str | None:
    """What says which parameter has a value that is NaN or infinite, or which buffer one that is NaN; or None.

    A buffer may be infinite, as a mask is that is added to scores.
    """
    for path, tensor in model.tensors().items():
        if tensor.dtype.kind == "f":
            wrong = ~np.isfinite(tensor.data) if isinstance(tensor, Parameter) else np.isnan(tensor.data)
            if count := np.count_nonzero(wrong):
                return f"{path} has {count} of {tensor.data.size} values that are not finite"
    return None
