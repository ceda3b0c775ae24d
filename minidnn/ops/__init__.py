"""Every op: forward and backward in one function. A backward rule returns gradients; the tape accumulates them."""

import sys

from minidnn import operators
from minidnn.ops import activations
from minidnn.ops.activations import *
from minidnn.ops.arithmetic import (
    abs,
    add,
    clip,
    compare,
    divide,
    erf,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sqrt,
    subtract,
    where,
)
from minidnn.ops.clipping import clip_by_norm
from minidnn.ops.embedding import embedding, embedding_bag
from minidnn.ops.linear import dense, dense_transposed, matmul
from minidnn.ops.losses import l1_l2_penalty, softmax_cross_entropy
from minidnn.ops.normalization import batch_norm, batch_norm_eval, layer_norm
from minidnn.ops.reductions import max, mean, min, sum, var
from minidnn.ops.shaping import concatenate, gather, getitem, pad, reshape, stack, transpose

operators.use(sys.modules[__name__])

__all__ = [
    "abs",
    "add",
    "batch_norm",
    "batch_norm_eval",
    "clip",
    "clip_by_norm",
    "compare",
    "concatenate",
    "dense",
    "dense_transposed",
    "divide",
    "embedding",
    "embedding_bag",
    "erf",
    "exp",
    "gather",
    "getitem",
    "l1_l2_penalty",
    "layer_norm",
    "log",
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
    "reshape",
    "softmax_cross_entropy",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "transpose",
    "var",
    "where",
]

__all__ += activations.__all__
