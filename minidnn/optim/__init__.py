"""Optimizers, each a short class around fused kernels; gradient clipping; learning rates by depth."""

from typing import TYPE_CHECKING

from minidnn.later import later
from minidnn.optim.optimizer import Optimizer

if TYPE_CHECKING:  # loaded on first use; these imports are for type checkers and editors
    from minidnn.optim.adafactor import Adafactor
    from minidnn.optim.adam import Adam, Adamax, AdamW, Lion, NAdam, RAdam
    from minidnn.optim.adaptive import Adadelta, Adagrad, RMSprop
    from minidnn.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
    from minidnn.optim.depth import by_depth
    from minidnn.optim.dual_averaging import AdagradDA
    from minidnn.optim.ftrl import FTRL
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(
        __name__,
        __all__,
        {
            "minidnn.optim.adafactor": "Adafactor",
            "minidnn.optim.adam": "Adam Adamax AdamW Lion NAdam RAdam",
            "minidnn.optim.adaptive": "Adadelta Adagrad RMSprop",
            "minidnn.optim.clipping": "clip_by_global_norm clip_by_norm clip_by_value",
            "minidnn.optim.depth": "by_depth",
            "minidnn.optim.dual_averaging": "AdagradDA",
            "minidnn.optim.ftrl": "FTRL",
            "minidnn.optim.sgd": "SGD",
            "minidnn.optim.trust": "LAMB LARS",
        },
    )
