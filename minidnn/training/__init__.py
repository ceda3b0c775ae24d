"""Training: `fit`, `evaluate`, `predict`, metrics, callbacks and captured steps."""

from typing import TYPE_CHECKING

from minidnn.array_access import CaptureError
from minidnn.later import later
from minidnn.training.anomaly import AnomalyError, DetectAnomaly, nan_guard
from minidnn.training.capture import Captured, capture
from minidnn.training.checkpoint import Checkpoint
from minidnn.training.evaluate import Evaluate, Evaluation, evaluate
from minidnn.training.fit import fit
from minidnn.training.history import History
from minidnn.training.loop import NonFiniteError
from minidnn.training.metrics import R2, Accuracy, BinaryAccuracy, Collected, MeanAbsoluteError, Metric
from minidnn.training.predict import Spread, predict
from minidnn.training.progress import Progress
from minidnn.training.report import Report, report
from minidnn.training.run import Callback, Run
from minidnn.training.state import ResumeError

if TYPE_CHECKING:  # loaded on first use; these imports are for type checkers and editors
    from minidnn.training.averaging import AverageWeights
    from minidnn.training.early_stopping import EarlyStopping
    from minidnn.training.loggers import CSVLogger, TensorBoard
    from minidnn.training.plateau import ReduceOnPlateau
    from minidnn.training.prune import KeepZeros, Prune, cubic_sparsity
    from minidnn.training.rates import RangeTest, RateComparison, compare_rates, lr_range_test
    from minidnn.training.trials import OptunaPruning

__all__ = [
    "R2",
    "Accuracy",
    "AnomalyError",
    "AverageWeights",
    "BinaryAccuracy",
    "CSVLogger",
    "Callback",
    "CaptureError",
    "Captured",
    "Checkpoint",
    "Collected",
    "DetectAnomaly",
    "EarlyStopping",
    "Evaluate",
    "Evaluation",
    "History",
    "KeepZeros",
    "MeanAbsoluteError",
    "Metric",
    "NonFiniteError",
    "OptunaPruning",
    "Progress",
    "Prune",
    "RangeTest",
    "RateComparison",
    "ReduceOnPlateau",
    "Report",
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
    "report",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(
        __name__,
        __all__,
        {
            "minidnn.training.averaging": "AverageWeights",
            "minidnn.training.early_stopping": "EarlyStopping",
            "minidnn.training.loggers": "CSVLogger TensorBoard",
            "minidnn.training.plateau": "ReduceOnPlateau",
            "minidnn.training.prune": "KeepZeros Prune cubic_sparsity",
            "minidnn.training.rates": "RangeTest RateComparison compare_rates lr_range_test",
            "minidnn.training.trials": "OptunaPruning",
        },
    )
