"""Accuracy, loss and errors of a model on a data set, in the label's unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidnn.cli.models import Model
from minidnn.cli.terminal import shown
from minidnn.data import Dataset
from minidnn.training.report import Report, numbers_report, report_of

CHUNK = 1000
"""Examples predicted at once, since a data set may be larger than memory."""


@dataclass(frozen=True)
class Scores:
    """The scores of a model on a data set.

    Attributes:
        examples: the number of examples.
        values: accuracy and loss (mean cross-entropy); or for regression the mean absolute error, the root of the mean
            squared error, and R2, which is None where all labels are the same.
        correct: the number of correct classes or labels; None for regression.
        label: the name of the predicted label.
        answers: the number of labels over all examples, where an example has several; else 0.
        parts: the scores of each label, for a regression with several.
        by_class: makes the report of each class, label or number.
    """

    examples: int
    values: dict[str, float | None]
    correct: int | None = None
    label: str = ""
    answers: int = 0
    parts: Sequence[Scores] = ()
    by_class: Callable[[], Report] = field(kw_only=True, compare=False, repr=False)

    def headline(self, name: str) -> str:
        """In a few words: ``test accuracy 97.85 %``."""
        if self.correct is not None:
            return f"{name} accuracy {self.correct / (self.answers or self.examples):.2%}".replace("%", " %")
        r2 = self.values["r2"]
        return f"{name} error {self.values['mae']:.4g}" + ("" if r2 is None else f", R2 {r2:.4f}")

    def report(self) -> str:
        """In a few lines."""
        if self.answers:
            return (
                f"accuracy   {self.values['accuracy']:.4f} ({self.correct} of {self.answers} labels)\n"
                f"all labels {self.values['all_labels']:.4f} (share of {self.examples} examples, all labels right)\n"
                f"loss       {self.values['loss']:.4f} (mean cross-entropy per label)"
            )
        if self.parts:
            return "\n".join(part.report() for part in self.parts)
        if self.correct is not None:
            return f"accuracy {self.values['accuracy']:.4f} ({self.correct} of {self.examples})\n" + (
                f"loss     {self.values['loss']:.4f} (mean cross-entropy)"
            )
        lines = [f"{shown(self.label or 'value')}, {self.examples} examples"]
        lines += [f"{name:4}  {_plain(self.values[name])}  {what}" for name, what in MEASURES.items()]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        labels = {part.label: part.values for part in self.parts}
        return {"examples": self.examples, **self.values, **({"labels": labels} if labels else {})}


MEASURES = {
    "mae": "mean absolute error",
    "rmse": "root of the mean squared error",
    "r2": "coefficient of determination; 1 is perfect, 0 is as good as the labels' mean",
}


def scores(model: Model, dataset: Dataset) -> Scores:
    """Computes the scores over all examples of a labelled data set.

    Raises:
        ValueError: there are no examples, or the model has no output for a label.
    """
    if not len(dataset):
        raise ValueError("there are no examples")
    parts = [model.outputs(np.asarray(dataset[i : i + CHUNK].inputs)) for i in range(0, len(dataset), CHUNK)]
    outputs, y = np.concatenate(parts), np.asarray(dataset.y)
    names = dataset.meaning.labels
    if y.ndim > 1:
        if outputs.shape != y.shape:
            raise ValueError(f"{model.path} has {outputs.shape[1]} outputs, the data have {y.shape[1]} labels")
        if model.is_classifier:
            return _of_labels(model.label_probabilities(outputs), y, names)
        return _of_numbers(outputs, y.astype(np.float64), names)
    if y.dtype.kind == "f":
        if outputs.shape[1] != 1:
            raise ValueError(f"{model.path} has {outputs.shape[1]} outputs, must have one for labels that are numbers")
        return _of_regression(outputs[:, 0], y.astype(np.float64), names[0] if names else "")
    probabilities = model.probabilities(outputs)
    if y.max() >= probabilities.shape[1]:
        raise ValueError(f"{model.path} has {probabilities.shape[1]} classes, but there is a label {y.max()}")
    correct = int((probabilities.argmax(axis=1) == y).sum())
    loss = float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], np.finfo(np.float64).tiny)).mean())
    by_class = lambda: report_of(y, probabilities, 0.5, dataset.classes)  # noqa: E731
    return Scores(len(y), {"accuracy": correct / len(y), "loss": loss}, correct, by_class=by_class)


def _of_labels(probabilities: Any, y: Any, names: Sequence[str]) -> Scores:
    """Scores of several labels: the share of correct labels, and of examples whose labels are all correct."""
    positive = y > 0.5
    right = (probabilities > 0.5) == positive
    of_truth = np.where(positive, probabilities, 1 - probabilities)
    loss = -np.log(np.maximum(of_truth, np.finfo(np.float64).tiny)).mean()
    values: dict[str, float | None] = {
        "accuracy": float(right.mean()),
        "all_labels": float(right.all(axis=1).mean()),
        "loss": float(loss),
    }
    by_class = lambda: report_of(y, probabilities, 0.5, names)  # noqa: E731
    return Scores(len(y), values, int(right.sum()), answers=right.size, by_class=by_class)


def _of_numbers(predictions: Any, y: Any, names: Sequence[str]) -> Scores:
    """Scores of several regression labels: each of them, and their means."""
    parts = [_of_regression(predictions[:, i], y[:, i], name) for i, name in enumerate(names)]
    values: dict[str, float | None] = {}
    for measure in MEASURES:
        found = [value for part in parts if (value := part.values[measure]) is not None]
        values[measure] = float(np.mean(found)) if found else None
    label = f"mean of {len(parts)} labels"
    return Scores(len(y), values, parts=parts, label=label, by_class=_of(predictions, y, names))


def _of_regression(predictions: Any, y: Any, label: str) -> Scores:
    error, spread = predictions - y, float(((y - y.mean()) ** 2).sum())
    squares = float((error**2).sum())
    r2 = 1 - squares / spread if spread > 0 else None
    values = {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt(squares / len(y))), "r2": r2}
    return Scores(len(y), values, None, label, by_class=_of(predictions[:, None], y[:, None], [label]))


def _of(predictions: Any, y: Any, names: Sequence[str]) -> Callable[[], Report]:
    return lambda: numbers_report(y, predictions, names)


def _plain(value: float | None) -> str:
    return f"{'none' if value is None else f'{value:.6g}':>12}"
