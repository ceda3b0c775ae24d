"""Layers, losses, metrics and initializers."""

from minidnn.nn import initializers
from minidnn.nn.activations import ELU, SELU, LeakyReLU, Logistic, ReLU, RReLU, Softmax, Softplus, Tanh
from minidnn.nn.layers import Dense, Dropout, Flatten, PReLU
from minidnn.nn.losses import softmax_cross_entropy
from minidnn.nn.metrics import accuracy, in_top_k
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.nn.sequential import Sequential

__all__ = [
    "ELU",
    "SELU",
    "Dense",
    "Dropout",
    "Flatten",
    "LeakyReLU",
    "Logistic",
    "Module",
    "PReLU",
    "Parameter",
    "RReLU",
    "ReLU",
    "Sequential",
    "Softmax",
    "Softplus",
    "Tanh",
    "accuracy",
    "in_top_k",
    "initializers",
    "softmax_cross_entropy",
]
