"""Training: the loop, what it leaves behind, and what may look on."""

from minidnn.training.evaluate import Evaluation, evaluate
from minidnn.training.fit import NonFiniteError, fit
from minidnn.training.history import History
from minidnn.training.run import Callback, Run

__all__ = [
    "Callback",
    "Evaluation",
    "History",
    "NonFiniteError",
    "Run",
    "evaluate",
    "fit",
]
