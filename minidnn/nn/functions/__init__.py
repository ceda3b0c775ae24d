"""Functions for the nodes of a `Graph`; a file can hold their settings.

Each is an operator of ONNX, most of them of the same name.
"""

from minidnn.nn.functions.arithmetic import (
    abs,
    add,
    clip,
    divide,
    erf,
    exp,
    identity,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    prelu,
    reciprocal,
    sqrt,
    subtract,
)
from minidnn.nn.functions.choosing import (
    equal,
    greater,
    greater_equal,
    indicator,
    less,
    less_equal,
    logical_not,
    truth,
    where,
)
from minidnn.nn.functions.normalization import batch_norm, layer_norm, log_softmax, softmax
from minidnn.nn.functions.products import gemm, matmul
from minidnn.nn.functions.reductions import max, mean, min, sum
from minidnn.nn.functions.shaping import (
    concatenate,
    flatten,
    gather,
    gather_elements,
    pad,
    reshape,
    slices,
    squeeze,
    transpose,
    unsqueeze,
)

__all__ = [
    "abs",
    "add",
    "batch_norm",
    "clip",
    "concatenate",
    "divide",
    "equal",
    "erf",
    "exp",
    "flatten",
    "gather",
    "gather_elements",
    "gemm",
    "greater",
    "greater_equal",
    "identity",
    "indicator",
    "layer_norm",
    "less",
    "less_equal",
    "log",
    "log_softmax",
    "logical_not",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "negative",
    "pad",
    "power",
    "prelu",
    "reciprocal",
    "reshape",
    "slices",
    "softmax",
    "sqrt",
    "squeeze",
    "subtract",
    "sum",
    "transpose",
    "truth",
    "unsqueeze",
    "where",
]

FUNCTIONS: tuple[type, ...] = tuple(globals()[name] for name in __all__)
"""All functions; a file can name no others."""
