"""The truth in NumPy: beside every compiled kernel a function of the same name and signature.

Slow on purpose, and plain: these pages are meant to be read. They run in float32 or float64.
"""

from minidnn.reference.activations import (
    elu,
    elu_backward,
    leaky_relu,
    leaky_relu_backward,
    logistic,
    logistic_backward,
    prelu,
    prelu_backward,
    relu,
    relu_backward,
    selu,
    selu_backward,
    softplus,
    softplus_backward,
    tanh,
    tanh_backward,
)
from minidnn.reference.fingerprint import fingerprint
from minidnn.reference.matmul import dense, dense_backward, matmul
from minidnn.reference.optim import momentum_step, nesterov_step, sgd_step
from minidnn.reference.random import dropout, philox, random_bits, rrelu, rrelu_backward
from minidnn.reference.rows import (
    column_sum,
    log_softmax,
    log_softmax_backward,
    row_sum,
    softmax,
    softmax_backward,
    softmax_cross_entropy,
)

__all__ = [
    "column_sum",
    "dense",
    "dense_backward",
    "dropout",
    "elu",
    "elu_backward",
    "fingerprint",
    "leaky_relu",
    "leaky_relu_backward",
    "log_softmax",
    "log_softmax_backward",
    "logistic",
    "logistic_backward",
    "matmul",
    "momentum_step",
    "nesterov_step",
    "philox",
    "prelu",
    "prelu_backward",
    "random_bits",
    "relu",
    "relu_backward",
    "row_sum",
    "rrelu",
    "rrelu_backward",
    "selu",
    "selu_backward",
    "sgd_step",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softplus",
    "softplus_backward",
    "tanh",
    "tanh_backward",
]
