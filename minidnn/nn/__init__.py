"""Layers, losses, metrics, initializers, regularizers and constraints."""

from typing import TYPE_CHECKING

from minidnn.later import later
from minidnn.nn import activations, initializers
from minidnn.nn.activations import *
from minidnn.nn.blocks import blocks
from minidnn.nn.constraints import masked, max_norm, non_neg, unit_norm
from minidnn.nn.layers import Dense, Flatten, PReLU
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.nn.regularizers import l1, l1_l2, l2
from minidnn.nn.sequential import Sequential

if TYPE_CHECKING:  # for type checkers and editors; at run time these load on first use
    from minidnn.nn import functions
    from minidnn.nn.composed import GaussianNoise, GroupNorm, Normalization, Rescaling, Reshape, RMSNorm
    from minidnn.nn.dropout import AlphaDropout, DropConnect, Dropout
    from minidnn.nn.embedding import Embedding, EmbeddingBag
    from minidnn.nn.graph import Graph, Node, Weight
    from minidnn.nn.losses import (
        contrastive,
        hinge,
        huber,
        kl_divergence,
        margin_ranking,
        margin_ranking_loss,
        mean_absolute_error,
        mean_squared_error,
        multiclass_hinge,
        sigmoid_cross_entropy,
        softmax_cross_entropy,
    )
    from minidnn.nn.metrics import accuracy, in_top_k
    from minidnn.nn.normalization import BatchNorm, LayerNorm
    from minidnn.nn.outputs import Outputs
    from minidnn.nn.registering import register
    from minidnn.nn.skip import Residual, SkipConcat

__all__ = [
    "AlphaDropout",
    "BatchNorm",
    "Dense",
    "DropConnect",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "GaussianNoise",
    "Graph",
    "GroupNorm",
    "LayerNorm",
    "Module",
    "Node",
    "Normalization",
    "Outputs",
    "PReLU",
    "Parameter",
    "RMSNorm",
    "Rescaling",
    "Reshape",
    "Residual",
    "Sequential",
    "SkipConcat",
    "Weight",
    "accuracy",
    "blocks",
    "contrastive",
    "functions",
    "hinge",
    "huber",
    "in_top_k",
    "initializers",
    "kl_divergence",
    "l1",
    "l1_l2",
    "l2",
    "margin_ranking",
    "margin_ranking_loss",
    "masked",
    "max_norm",
    "mean_absolute_error",
    "mean_squared_error",
    "multiclass_hinge",
    "non_neg",
    "register",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "unit_norm",
]

__all__ += activations.__all__

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(
        __name__,
        __all__,
        {
            "minidnn.nn.composed": "GaussianNoise GroupNorm Normalization Rescaling Reshape RMSNorm",
            "minidnn.nn.dropout": "AlphaDropout DropConnect Dropout",
            "minidnn.nn.embedding": "Embedding EmbeddingBag",
            "minidnn.nn.graph": "Graph Node Weight",
            "minidnn.nn.losses": "contrastive hinge huber kl_divergence margin_ranking margin_ranking_loss "
            "mean_absolute_error mean_squared_error multiclass_hinge sigmoid_cross_entropy softmax_cross_entropy",
            "minidnn.nn.metrics": "accuracy in_top_k",
            "minidnn.nn.normalization": "BatchNorm LayerNorm",
            "minidnn.nn.outputs": "Outputs",
            "minidnn.nn.registering": "register",
            "minidnn.nn.skip": "Residual SkipConcat",
        },
        "functions",
    )
