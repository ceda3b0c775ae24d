"""Reports of a model's errors by class, by label or by residuals, as text and as a figure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np

from minidnn.columns import columns
from minidnn.data.meaning import meaning_of
from minidnn.data.stacking import as_dataset
from minidnn.data.targets import as_targets
from minidnn.nn import Module
from minidnn.reference.types import Array
from minidnn.training.checks import final_activation
from minidnn.training.metrics import R2, paired
from minidnn.training.predict import predict

Kind = Literal["classes", "labels", "numbers"]


@dataclass(frozen=True)
class Report:
    """The result of `report`; prints as a table.

    Attributes:
        kind: "classes": one class per example; "labels": several labels per example; "numbers": regression.
        names: of the classes, labels or outputs.
        values: one row per name: precision, recall, F1 and support; for "numbers" MAE, RMSE, R2 and bias (the mean of
            prediction - target).
        confusion: for "classes": counts (classes, classes), true class by predicted class; else None.
        accuracy: the share of correctly classified examples; for "labels" all labels must be correct; None for
            "numbers".
        residuals: for "numbers": prediction - target, (n, outputs); else None.
        targets: for "numbers": (n, outputs); else None.
        examples: number of examples.
    """

    kind: Kind
    names: Sequence[str]
    values: Array
    confusion: Array | None = None
    accuracy: float | None = None
    residuals: Array | None = None
    targets: Array | None = None
    examples: int = 0

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        heads = ("MAE", "RMSE", "R2", "bias") if self.kind == "numbers" else ("precision", "recall", "F1", "support")
        rows: list[Sequence[str]] = [("", *heads)]
        for name, row in zip(self.names, self.values.tolist(), strict=True):
            cells = [f"{value:.4g}" if self.kind == "numbers" else f"{value:.4f}" for value in row]
            if self.kind != "numbers":
                cells[3] = str(int(row[3]))
            rows.append((name, *cells))
        lines = [columns(rows)]
        if self.accuracy is not None:
            lines.append(f"accuracy {self.accuracy:.4f} of {self.examples} examples")
        if self.confusion is not None:
            lines += ["", "true class (row), predicted class (column):", self._matrix()]
        return "\n".join(lines)

    def document(self) -> dict[str, dict[str, float]]:
        """The table as numbers by name, for JSON."""
        heads = ("mae", "rmse", "r2", "bias") if self.kind == "numbers" else ("precision", "recall", "f1", "support")
        return {
            name: dict(zip(heads, row, strict=True)) for name, row in zip(self.names, self.values.tolist(), strict=True)
        }

    def _matrix(self) -> str:
        assert self.confusion is not None
        rows = zip(self.names, self.confusion.tolist(), strict=True)
        return columns([("", *self.names), *((name, *map(str, row)) for name, row in rows)])

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws the confusion matrix, precision and recall of each label, or residuals over targets.

        Args:
            path: a picture file to write; None: no file.

        Returns:
            The figure.

        Raises:
            ImportError: matplotlib is missing; names the extra.
            OSError: the file cannot be written.
        """
        from minidnn import plot

        side = max(3.4, 0.35 * len(self.names) + 2.4)
        drawing, (axis,) = plot.figure(width=side * 1.2, height=side)
        if self.confusion is not None:
            self._draw_confusion(axis)
        elif self.residuals is not None and self.targets is not None:
            for i, name in enumerate(self.names):
                colour = plot.COLOURS[i % len(plot.COLOURS)]
                axis.scatter(self.targets[:, i], self.residuals[:, i], s=8, alpha=0.6, color=colour, label=name)
            axis.axhline(0, color=plot.INK, linewidth=1)
            axis.set_xlabel("target", color=plot.INK, fontsize=9)
            axis.set_ylabel("prediction - target", color=plot.INK, fontsize=9)
            axis.legend(frameon=False, fontsize=9, labelcolor=plot.INK)
        else:
            places = np.arange(len(self.names))
            for i, what in enumerate(("precision", "recall")):
                axis.barh(places + 0.4 * i, self.values[:, i], 0.4, label=what, color=plot.COLOURS[i])
            axis.set_yticks(places + 0.2, self.names)
            axis.legend(frameon=False, fontsize=9, labelcolor=plot.INK)
        return plot.write(drawing, path)

    def _draw_confusion(self, axis: Any) -> None:
        assert self.confusion is not None
        shares = self.confusion / np.maximum(self.confusion.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axis.grid(visible=False)
        for (i, j), count in np.ndenumerate(self.confusion):
            axis.text(j, i, str(count), ha="center", va="center", fontsize=8, color="w" if shares[i, j] > 0.5 else "k")
        places = range(len(self.names))
        axis.set_xticks(places, self.names, rotation=90 if max(map(len, self.names)) > 2 else 0)
        axis.set_yticks(places, self.names)
        axis.set_xlabel("predicted class", fontsize=9)
        axis.set_ylabel("true class", fontsize=9)


def report(
    model: Module, dataset: Any, *, threshold: float | None = None, names: Sequence[str] = (), batch_size: int = 1000
) -> Report:
    """Precision, recall and F1 of each class, with the confusion matrix; for regression the residuals.

    ::

        print(training.report(model, test))
        training.report(model, test).plot("confusion.png")

    The targets decide the kind: integers (n,) are classes (two classes if the model has one output), columns of 0 and 1
    are labels, other floats are numbers.

    Args:
        dataset: a data set, or a pair of arrays ``(x, y)``.
        threshold: for one output or for labels: values above it count as 1. None: 0.5 if the model ends in a sigmoid,
            else 0, as for logits.
        names: of classes, labels or outputs; default: those of the data set.
        batch_size: examples per forward pass.

    Raises:
        ImportError: scikit-learn is missing, which counts classes and labels; names the extra.
        TypeError, ValueError: as `evaluate`; targets and outputs that do not fit together.
    """
    data = as_dataset("report", dataset, like=meaning_of(model))
    if not len(data):
        raise ValueError("report: the data set is empty")
    data.check_finite("report")
    y = as_targets("report", data.y, len(data))
    outputs = predict(model, data, batch_size=batch_size)
    if isinstance(y, tuple) or isinstance(outputs, tuple):
        raise ValueError("report: takes one target and one output; report each on its own, as a pair (x, y[i])")
    if threshold is None:
        threshold = 0.5 if final_activation(model) == "sigmoid" else 0.0
    meaning = data.meaning
    return report_of(y, outputs, threshold, tuple(names) or data.classes or (meaning.labels if y.ndim > 1 else ()))


def report_of(y: Array, outputs: Array, threshold: float, names: Sequence[str] = ()) -> Report:
    """The report of given outputs; see `report`.

    Raises:
        ImportError, ValueError: as `report`.
    """
    if y.ndim == 1 and y.dtype.kind == "i":
        return _of_classes(y, outputs, threshold, names)
    outputs, y = paired("report", outputs, y)
    if y.ndim == 2 and np.isin(y, (0, 1)).all():
        return _of_labels(y.astype(np.int64), (outputs > threshold).astype(np.int64), names)
    return numbers_report(y.reshape(len(y), -1), outputs.reshape(len(y), -1), names)


def _of_classes(y: Array, outputs: Array, threshold: float, names: Sequence[str]) -> Report:
    metrics = _sklearn()
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        predicted, classes = outputs.argmax(axis=1), list(range(outputs.shape[1]))
    elif outputs.shape in (y.shape, (*y.shape, 1)) and np.isin(y, (-1, 0, 1)).all():
        classes = [-1, 1] if (y < 0).any() else [0, 1]
        predicted = np.where(outputs.reshape(y.shape) > threshold, classes[1], classes[0])
    else:
        raise ValueError(
            f"report: outputs have shape {outputs.shape}, must be ({len(y)}, classes), or ({len(y)}, 1) if the labels "
            "are 0 and 1 or -1 and 1"
        )
    if y.min() < classes[0] or y.max() > classes[-1]:
        raise ValueError(f"report: labels must be in {classes}, got {y.min()} to {y.max()}")
    values = np.stack(metrics.precision_recall_fscore_support(y, predicted, labels=classes, zero_division=0.0), axis=1)
    confusion = metrics.confusion_matrix(y, predicted, labels=classes)
    return Report("classes", _names(names, classes), values, confusion, float((y == predicted).mean()), examples=len(y))


def _of_labels(y: Array, predicted: Array, names: Sequence[str]) -> Report:
    metrics = _sklearn()
    values = np.stack(metrics.precision_recall_fscore_support(y, predicted, average=None, zero_division=0.0), axis=1)
    return Report(
        "labels",
        _names(names, range(y.shape[1])),
        values,
        None,
        float((y == predicted).all(axis=1).mean()),
        examples=len(y),
    )


def numbers_report(y: Array, outputs: Array, names: Sequence[str]) -> Report:
    """The report of a regression with targets and outputs (n, outputs)."""
    residuals = outputs.astype(np.float64) - y
    rows = []
    for i in range(y.shape[1]):
        r2, e = R2(), residuals[:, i]
        r2.update(outputs[:, i], y[:, i])
        rows.append([np.abs(e).mean(), np.sqrt((e * e).mean()), r2.compute(), e.mean()])
    called = _names(names if len(names) == len(rows) else (), range(len(rows)))
    return Report("numbers", called, np.array(rows), residuals=residuals, targets=y, examples=len(y))


def _names(names: Sequence[str], classes: Sequence[int]) -> tuple[str, ...]:
    if names and len(names) != len(classes):
        raise ValueError(f"report: there are {len(names)} names for {len(classes)} classes: {', '.join(names[:20])}")
    return tuple(names) or tuple(map(str, classes))


def _sklearn() -> Any:
    try:
        from sklearn import metrics
    except ImportError as error:
        raise ImportError(
            'report: classes are counted by scikit-learn; install it with: pip install "minidnn[sklearn]"'
        ) from error
    return metrics
