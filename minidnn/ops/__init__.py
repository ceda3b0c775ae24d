"""Every op: forward and backward in one function. A backward rule returns gradients; only the tape adds them up."""

from minidnn.ops.activations import (
    dropout,
    elu,
    leaky_relu,
    log_softmax,
    logistic,
    prelu,
    relu,
    rrelu,
    selu,
    softmax,
    softplus,
    tanh,
)
from minidnn.ops.arithmetic import (
    abs,
    add,
    clip,
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
from minidnn.ops.linear import dense, matmul
from minidnn.ops.losses import softmax_cross_entropy
from minidnn.ops.reductions import max, mean, min, sum, var
from minidnn.ops.shaping import concatenate, gather, getitem, pad, reshape, stack, transpose
