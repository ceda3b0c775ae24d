"""Optimizers: one short class each around one fused kernel."""

from minidnn.optim.optimizer import Optimizer
from minidnn.optim.sgd import SGD

__all__ = [
    "SGD",
    "Optimizer",
]
