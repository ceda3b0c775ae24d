"""Every op: forward and backward in one function. A backward rule returns gradients; only the tape adds them up."""

import sys

from minidnn import operators
from minidnn.ops.activations import (
    dropout,
    elu,
    leaky_relu,
    log_softmax,
    prelu,
    relu,
    rrelu,
    selu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from minidnn.ops.arithmetic import (
    abs,
    add,
    clip,
    compare,
    divide,
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
from minidnn.ops.embedding import embedding_bag
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
    "dropout",
    "elu",
    "embedding_bag",
    "exp",
    "gather",
    "getitem",
    "l1_l2_penalty",
    "layer_norm",
    "leaky_relu",
    "log",
    "log_softmax",
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
    "relu",
    "reshape",
    "rrelu",
    "selu",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "tanh",
    "transpose",
    "var",
    "where",
]
