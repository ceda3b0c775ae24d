"""How good a model is on a data set, in the label's own unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn.cli.models import Model
from minidnn.cli.terminal import shown
from minidnn.data import Dataset

CHUNK = 1000
"""Examples that are asked together; a data set may be larger than memory."""


@dataclass(frozen=True)
class Scores:
    """What came of it.

    Attributes:
        examples: how many.
        values: accuracy and loss (mean cross-entropy); or for regression the mean absolute error, the root of the mean
            squared error, and R2, which is None where all labels are the same.
        correct: how many classes were right.
        label: the name of what was predicted.
    """

    examples: int
    values: dict[str, float | None]
    correct: int | None = None
    label: str = ""

    def headline(self, name: str) -> str:
        """In a few words: ``test accuracy 97.85 %``."""
        if self.correct is not None:
            return f"{name} accuracy {self.correct / self.examples:.2%}".replace("%", " %")
        r2 = self.values["r2"]
        told = "" if r2 is None else f", R2 {r2:.4f}"
        return f"{name} error {self.values['mae']:.4g}{told}"

    def report(self) -> str:
        """In a few lines."""
        if self.correct is not None:
            return f"accuracy {self.values['accuracy']:.4f} ({self.correct} of {self.examples})\n" + (
                f"loss     {self.values['loss']:.4f} (mean cross-entropy)"
            )
        lines = [f"{shown(self.label or 'value')}, {self.examples} examples"]
        lines += [f"{name:4}  {_plain(self.values[name])}  {what}" for name, what in MEASURES.items()]
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"examples": self.examples, **self.values}


MEASURES = {
    "mae": "mean absolute error",
    "rmse": "root of the mean squared error",
    "r2": "coefficient of determination; 1 is perfect, 0 the mean of the labels",
}


def scores(model: Model, dataset: Dataset) -> Scores:
    """Asks the model for every example of a labelled data set.

    Raises:
        ValueError: there are no examples, or a label that the model has no output for.
    """
    if not len(dataset):
        raise ValueError("there are no examples")
    parts = [model.outputs(np.asarray(dataset[i : i + CHUNK].inputs)) for i in range(0, len(dataset), CHUNK)]
    outputs, y = np.concatenate(parts), np.asarray(dataset.y)
    names = dataset.meaning.labels
    if y.ndim > 1:
        raise ValueError(
            f"the data have the {y.shape[1]} labels {', '.join(map(shown, names[:20]))}, and only models of one label "
            "are measured here; use training.evaluate in Python"
        )
    if y.dtype.kind == "f":
        if outputs.shape[1] != 1:
            raise ValueError(f"{model.path} has {outputs.shape[1]} outputs, must have one for labels that are numbers")
        return _of_regression(outputs[:, 0], y.astype(np.float64), names[0] if names else "")
    chances = model.probabilities(outputs)
    if y.max() >= chances.shape[1]:
        raise ValueError(f"{model.path} tells {chances.shape[1]} classes apart, but there is a label {y.max()}")
    correct = int((chances.argmax(axis=1) == y).sum())
    loss = float(-np.log(np.maximum(chances[np.arange(len(y)), y], np.finfo(np.float64).tiny)).mean())
    return Scores(len(y), {"accuracy": correct / len(y), "loss": loss}, correct)


def _of_regression(predictions: Any, y: Any, label: str) -> Scores:
    error, spread = predictions - y, float(((y - y.mean()) ** 2).sum())
    squares = float((error**2).sum())
    r2 = 1 - squares / spread if spread > 0 else None
    values = {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt(squares / len(y))), "r2": r2}
    return Scores(len(y), values, None, label)


def _plain(value: float | None) -> str:
    return f"{'none' if value is None else f'{value:.6g}':>12}"
