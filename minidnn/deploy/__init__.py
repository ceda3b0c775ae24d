"""Pruning of trained models, and their compilation for inference."""

from minidnn.deploy.comparison import Loss, Validation
from minidnn.deploy.compiling import compile
from minidnn.deploy.folding import inputs_of
from minidnn.deploy.model import InferenceModel
from minidnn.deploy.prune import LayerSparsity, Sparsity, density, prune, sparsity

load = InferenceModel.load

__all__ = [
    "InferenceModel",
    "LayerSparsity",
    "Loss",
    "Sparsity",
    "Validation",
    "compile",
    "density",
    "inputs_of",
    "load",
    "prune",
    "sparsity",
]
