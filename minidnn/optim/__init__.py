"""Optimizers: one short class each around one fused kernel; gradient clipping; rates by depth."""

from minidnn.optim.adafactor import Adafactor
from minidnn.optim.adam import Adam, Adamax, AdamW, Lion, NAdam, RAdam
from minidnn.optim.adaptive import Adadelta, Adagrad, RMSprop
from minidnn.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from minidnn.optim.depth import by_depth
from minidnn.optim.dual_averaging import AdagradDA
from minidnn.optim.ftrl import FTRL
from minidnn.optim.optimizer import Optimizer
from minidnn.optim.sgd import SGD
from minidnn.optim.trust import LAMB, LARS

__all__ = [
    "FTRL",
    "LAMB",
    "LARS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "AdagradDA",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "by_depth",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
]
