"""Optimizers: one short class each around one fused kernel; gradient clipping; rates by depth."""

from minidnn.optim.adam import Adam, Adamax, AdamW, Lion, NAdam
from minidnn.optim.adaptive import Adadelta, Adagrad, RMSprop
from minidnn.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from minidnn.optim.depth import by_depth
from minidnn.optim.ftrl import FTRL
from minidnn.optim.optimizer import Optimizer
from minidnn.optim.sgd import SGD

__all__ = [
    "FTRL",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "by_depth",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
]
