"""Metrics of an epoch: sums over its examples, so the value does not depend on the batch size."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from minidnn.data.targets import Targets, are_classes
from minidnn.nn.metrics import is_correct
from minidnn.nn.outputs import Outputs, alike
from minidnn.nn.takes import takes_of
from minidnn.reference.types import Array
from minidnn.tensor import Tensor
from minidnn.training.run import Loss

Better = Literal["min", "max"]


class Metric:
    """One number per epoch. A subclass defines `reset`, `update` and `compute`.

    Its state is what `reset` sets: numbers and arrays, which a checkpoint can store.

    Attributes:
        name: the column's name in the history; ``valid_NAME`` on the validation set.
        better: the better value is the smaller ("min") or the larger ("max"), for callbacks that monitor it; None:
            unknown, the callback's ``mode`` decides.
    """

    name = "metric"
    better: Better | None = None

    def reset(self) -> None:
        """Starts an epoch: sets the sums to zero."""
        raise NotImplementedError

    def update(self, outputs: Any, targets: Any) -> None:
        """Adds the outputs and targets of a batch: arrays, or tuples of arrays."""
        raise NotImplementedError

    def compute(self) -> float:
        """The value over all batches since `reset`."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        kinds = (int, float, np.ndarray, np.number)
        return {k: v for k, v in vars(self).items() if isinstance(v, kinds) and k not in ("name", "better")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the sums from `state_dict`."""
        self.reset()
        for name, value in state.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class _Share(Metric):
    """The share of correct predictions."""

    better = "max"

    def __init__(self, name: str = "accuracy") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.right = self.total = 0

    def compute(self) -> float:
        return self.right / self.total if self.total else float("nan")

    def _count(self, right: Array) -> None:
        self.right += int(np.count_nonzero(right))
        self.total += right.size


class Accuracy(_Share):
    """The share of examples with ``argmax(outputs) == target``: outputs (batch, classes), targets (batch,).

    Of equal outputs the first counts, as in NumPy's argmax. Targets may be probabilities (batch, classes); their argmax
    is then the target.
    """

    def update(self, outputs: Any, targets: Any) -> None:
        targets = np.asarray(targets)
        if targets.ndim == 2 and targets.dtype.kind == "f":
            targets = targets.argmax(axis=1)
        self._count(is_correct(outputs, targets))


class BinaryAccuracy(_Share):
    """The share of elements with ``(output > threshold) == (target > 0.5)``; outputs that are not finite are wrong.

    For two classes with one output, or for several labels, where each element counts; labels 0 and 1, or -1 and 1.

    Args:
        threshold: 0 for logits, 0.5 for probabilities.
    """

    def __init__(self, threshold: float = 0.0, name: str = "accuracy") -> None:
        super().__init__(name)
        self.threshold = threshold

    def update(self, outputs: Any, targets: Any) -> None:
        outputs, targets = paired(self.name, outputs, targets)
        self._count(((outputs > self.threshold) == (targets > 0.5)) & np.isfinite(outputs))


class MeanAbsoluteError(Metric):
    """The mean over all elements of ``|output - target|``, summed in float64."""

    better = "min"

    def __init__(self, name: str = "mae") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.sum, self.total = 0.0, 0

    def update(self, outputs: Any, targets: Any) -> None:
        outputs, targets = paired(self.name, outputs, targets)
        self.sum += float(np.abs(outputs.astype(np.float64) - targets).sum())
        self.total += outputs.size

    def compute(self) -> float:
        return self.sum / self.total if self.total else float("nan")


class R2(Metric):
    """``1 - sum (output - target)**2 / sum (target - mean)**2``, averaged over the columns.

    A constant column counts 1 if it is predicted exactly, else 0, as in scikit-learn. Sums of squares about the mean
    are updated in float64 (Chan, Golub & LeVeque 1983).
    """

    better = "max"

    def __init__(self, name: str = "r2") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.total = 0
        self.mean, self.spread, self.errors = np.zeros(()), np.zeros(()), np.zeros(())

    def update(self, outputs: Any, targets: Any) -> None:
        outputs, targets = paired(self.name, outputs, targets)
        n = len(targets)
        y = targets.reshape(n, -1).astype(np.float64)
        mean = y.mean(axis=0)
        delta, both = mean - self.mean, self.total + n
        self.errors = self.errors + ((outputs.reshape(n, -1) - y) ** 2).sum(axis=0)
        self.spread = self.spread + ((y - mean) ** 2).sum(axis=0) + delta**2 * (self.total * n / both)
        self.mean = self.mean + delta * (n / both)
        self.total = both

    def compute(self) -> float:
        if not self.total:
            return float("nan")
        flat = self.spread == 0
        share = np.where(flat, self.errors != 0, self.errors / np.where(flat, 1, self.spread))
        return float(np.mean(1 - share))


class Collected(Metric):
    """A function of all outputs and targets of the epoch, ``function(outputs, targets) -> number``.

    It is called once, at the end of the epoch, so metrics that are not means over examples (F1, AUC) are exact. All
    outputs of the epoch are kept in memory until then.

    Args:
        name: the column's name; None: the function's name.
        better: the better value is the smaller ("min") or the larger ("max"); None: unknown.
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None, better: Better | None = None):
        self.function, self.better = function, better
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self.reset()

    def reset(self) -> None:
        self._pieces: list[tuple[Any, Any]] = []

    def update(self, outputs: Any, targets: Any) -> None:
        self._pieces.append((_copies(outputs), _copies(targets)))

    def compute(self) -> float:
        if not self._pieces:
            return float("nan")
        outputs, targets = (_joined([pair[i] for pair in self._pieces]) for i in (0, 1))
        return as_number(self.name, self.function(outputs, targets))

    def state_dict(self) -> dict[str, Any]:
        if not self._pieces:
            return {}
        joined = {"outputs": _joined([o for o, _ in self._pieces]), "targets": _joined([t for _, t in self._pieces])}
        state = {name: value for name, value in joined.items() if not isinstance(value, tuple)}
        for name, value in joined.items():
            if isinstance(value, tuple):
                called = [f".{called}" for called in value.names] if isinstance(value, Outputs) else [""] * len(value)
                state |= {f"{name}.{i}{called[i]}": part for i, part in enumerate(value)}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.reset()
        if state:
            self._pieces.append((_under(state, "outputs"), _under(state, "targets")))


def as_number(name: str, value: Any) -> float:
    """The value of a metric as a float.

    Raises:
        TypeError: it is not a number.
    """
    value = arrays_of(value) if isinstance(value, Tensor) else value
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise TypeError(f"metric {name!r} returned {value!r}, must be a number")
    return float(array.item())


def as_metrics(owner: str, given: Any, loss: Loss, y: Targets) -> list[Metric]:
    """Makes metrics from the user's argument: a list of functions and metrics, or a mapping of names to functions.

    Args:
        given: None: chosen by the loss, or by the targets if the loss is a user function.

    Raises:
        TypeError: any other argument.
        ValueError: a duplicate name, a name of a column of the history, or a name that is not an identifier.
    """
    if given is None:
        return default_metrics(loss, y)
    if isinstance(given, Mapping):
        given = [value if isinstance(value, Metric) else Collected(value, name) for name, value in given.items()]
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise TypeError(f"{owner}: metrics must be a list of functions or training.Metric, got {type(given).__name__}")
    metrics: list[Metric] = []
    for value in given:
        if not isinstance(value, Metric) and not callable(value):
            raise TypeError(f"{owner}: metrics has {value!r}, must be functions or training.Metric objects")
        metrics.append(copy.deepcopy(value) if isinstance(value, Metric) else Collected(value))
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1 or name in RESERVED or not name.isidentifier():
            raise ValueError(
                f"{owner}: metrics has the name {name!r}, must be a unique identifier other than "
                f"{', '.join(RESERVED)}; give names, such as metrics={{'f1': function}}"
            )
    return metrics


RESERVED = ("epoch", "step", "lr", "loss", "seconds", "examples_per_second")
"""Columns that every history has."""


def default_metrics(loss: Loss, y: Targets) -> list[Metric]:
    """Accuracy for a loss of classes or labels, MAE and R2 for a loss of numbers.

    For a user function as loss: accuracy if the targets are integers, one per example.
    """
    description = takes_of(loss)
    if description is None:
        return [_Guess()] if are_classes(y) else []
    if description.metrics == "regression":
        return [MeanAbsoluteError(), R2()]
    if description.metrics == "accuracy":
        return [Accuracy() if description.kind == "classes" else BinaryAccuracy()]
    return []


class _Guess(_Share):
    """Accuracy for a user's loss: by the largest output, or by the sign of a single output."""

    def update(self, outputs: Any, targets: Any) -> None:
        if isinstance(outputs, tuple) or outputs.shape[:1] != targets.shape:
            return  # only the loss knows what these outputs mean
        if outputs.ndim == 2 and outputs.shape[1] > 1:
            self._count(is_correct(outputs, targets))
        elif outputs.ndim <= 2:
            self._count((outputs.reshape(targets.shape) > 0) == (targets > 0.5))


def paired(name: str, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Outputs and targets in the same shape: outputs (n, 1) are reshaped if targets are (n,).

    Raises:
        ValueError: any other difference of the shapes.
    """
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if targets.ndim == 1 and outputs.shape == (*targets.shape, 1):
        outputs = outputs.reshape(targets.shape)
    if outputs.shape != targets.shape:
        raise ValueError(
            f"{name}: outputs have shape {outputs.shape}, targets have {targets.shape}: they must be the same, or "
            "(batch,) with outputs (batch, 1)"
        )
    return outputs, targets


def arrays_of(outputs: Any) -> Any:
    """The arrays of a model's outputs: one array or a tuple."""
    if isinstance(outputs, (tuple, list)):
        return alike(outputs, (arrays_of(part) for part in outputs))
    return outputs.data if isinstance(outputs, Tensor) else np.asarray(outputs)


def _copies(value: Any) -> Any:
    return alike(value, map(_copies, value)) if isinstance(value, tuple) else np.array(value)


def _joined(pieces: list[Any]) -> Any:
    if isinstance(pieces[0], tuple):
        return alike(pieces[0], (np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    return np.concatenate(pieces)


def _under(state: Mapping[str, Any], name: str) -> Any:
    if name in state:
        return state[name]
    keys = sorted((key for key in state if key.startswith(f"{name}.")), key=lambda key: int(key.split(".")[1]))
    parts, names = [state[key] for key in keys], [key.split(".")[2] for key in keys if key.count(".") > 1]
    return Outputs(names, parts) if names else tuple(parts)
