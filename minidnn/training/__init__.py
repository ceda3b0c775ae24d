"""Training: the loop, what it leaves behind, and what may look on."""

from minidnn.doors import CaptureError
from minidnn.training.anomaly import AnomalyError, DetectAnomaly, nan_guard
from minidnn.training.averaging import AverageWeights
from minidnn.training.capture import Captured, capture
from minidnn.training.checkpoint import Checkpoint
from minidnn.training.early_stopping import EarlyStopping
from minidnn.training.evaluate import Evaluate, Evaluation, evaluate
from minidnn.training.fit import NonFiniteError, fit
from minidnn.training.history import History
from minidnn.training.loggers import CSVLogger, TensorBoard
from minidnn.training.plateau import ReduceOnPlateau
from minidnn.training.predict import Spread, predict
from minidnn.training.prune import KeepZeros, Prune, cubic_sparsity
from minidnn.training.rates import RangeTest, RateComparison, compare_rates, lr_range_test
from minidnn.training.run import Callback, Run
from minidnn.training.state import ResumeError

__all__ = [
    "AnomalyError",
    "AverageWeights",
    "CSVLogger",
    "Callback",
    "CaptureError",
    "Captured",
    "Checkpoint",
    "DetectAnomaly",
    "EarlyStopping",
    "Evaluate",
    "Evaluation",
    "History",
    "KeepZeros",
    "NonFiniteError",
    "Prune",
    "RangeTest",
    "RateComparison",
    "ReduceOnPlateau",
    "ResumeError",
    "Run",
    "Spread",
    "TensorBoard",
    "capture",
    "compare_rates",
    "cubic_sparsity",
    "evaluate",
    "fit",
    "lr_range_test",
    "nan_guard",
    "predict",
]
