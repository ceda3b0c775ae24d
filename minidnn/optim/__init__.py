"""Optimizers: one short class each around one fused kernel; and gradient clipping."""

from minidnn.optim.adam import Adam, AdaMax, AdamW, Lion, NAdam
from minidnn.optim.adaptive import AdaDelta, AdaGrad, RMSProp
from minidnn.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from minidnn.optim.ftrl import FTRL
from minidnn.optim.optimizer import Optimizer
from minidnn.optim.sgd import SGD

__all__ = [
    "FTRL",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "AdamW",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSProp",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
]
