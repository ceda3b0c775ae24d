"""Trained or compiled models from files, with one interface for predictions."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import minidnn
from minidnn import deploy, training
from minidnn.data import Meaning
from minidnn.deploy.folding import program_of
from minidnn.deploy.model import activation_of
from minidnn.models import CheckpointError, saving

BATCH = 1000


@dataclass(frozen=True)
class Model:
    """A model from a file.

    Attributes:
        run: float32 (batch, n_in) -> outputs (batch, n_out).
        stored_meaning: the meaning of inputs and outputs in the file; empty if it has none.
        activation: the output activation, such as "softmax"; "identity" for logits, "" if unknown.
    """

    path: Path
    run: Callable[[Any], Any]
    n_in: int
    stored_meaning: Meaning
    activation: str = ""

    @property
    def meaning(self) -> Meaning:
        """`stored_meaning` without standardization: `outputs` standardizes the inputs itself."""
        return replace(self.stored_meaning, mean=(), std=())

    def prepare(self, x: Any) -> Any:
        """The inputs, standardized as the training data were."""
        return self.stored_meaning.prepared(x)

    def outputs(self, x: Any) -> Any:
        """The outputs as float64 (n, n_out).

        Raises:
            ValueError: the model's outputs are not (n, n_out), or there are no examples.
        """
        if not len(x):
            raise ValueError("there are no examples")
        made = np.concatenate([np.asarray(self.run(self.prepare(x[i : i + BATCH]))) for i in range(0, len(x), BATCH)])
        if made.ndim > 2:
            raise ValueError(f"{self.path} gives outputs of shape {made.shape}, must be (n, n_out)")
        return made.reshape(len(x), -1).astype(np.float64)

    @property
    def is_classifier(self) -> bool:
        return self.meaning.task == "classification"

    def label_probabilities(self, outputs: Any) -> Any:
        """The probability of each of several independent labels: the sigmoid of the outputs, unless already applied."""
        return outputs if self.activation == "sigmoid" else 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))

    def probabilities(self, outputs: Any) -> Any:
        """The probability of each class, (n, classes); a single output is that of the second of two classes.

        Raises:
            ValueError: the outputs are not those of a classifier, or do not match the number of classes.
        """
        n_out, classes = outputs.shape[1], len(self.meaning.classes)
        if n_out == 1 and classes == 2 and self.activation in ("identity", "sigmoid"):
            second = self.label_probabilities(outputs)
            return np.concatenate([1 - second, second], axis=1)
        if n_out < 2 or (classes and n_out != classes):
            raise ValueError(f"{self.path} has {n_out} outputs for {classes or 'some'} classes, must have one for each")
        return _softmax(outputs)


def open_model(path: str | os.PathLike[str]) -> Model:
    """The model of a file that ``minidnn train``, `minidnn.save` or ``minidnn compile`` wrote.

    Raises:
        CheckpointError: the file is damaged or has another format.
        OSError: the file cannot be read.
    """
    return model_of(saving.contents(path))


def model_of(content: saving.Content) -> Model:
    """What `open_model` returns, from a file that has been read."""
    path, meaning = content.path, saving.meaning_in(content)
    if "minidnn-inference" in content.metadata:
        compiled = deploy.InferenceModel.loaded(content)
        _check_width(path, meaning, compiled.n_in)
        return Model(path, compiled.predict, compiled.n_in, meaning, compiled.activation)
    model = saving.loaded(content)
    try:
        n_in = deploy.inputs_of(model)
    except ValueError as error:
        raise CheckpointError(f"{path} has no layer that determines its number of inputs") from error
    _check_width(path, meaning, n_in)
    return Model(path, lambda x: training.predict(model, x, batch_size=BATCH), n_in, meaning, _activation(model))


def _check_width(path: Path, meaning: Meaning, n_in: int) -> None:
    """Refuses a meaning whose number of inputs is not the model's; it could also make the reader allocate too much."""
    widths = {len(meaning.columns), len(meaning.mean), math.prod(meaning.image_shape) if meaning.image_shape else 0}
    if widths - {0, n_in}:
        raise CheckpointError(f"{path} describes {max(widths)} inputs, but its model takes {n_in}")


def _activation(model: minidnn.nn.Module) -> str:
    try:
        return activation_of(program_of(model, {}))
    except (TypeError, ValueError):  # a model that cannot be compiled
        return ""


def _softmax(outputs: Any) -> Any:
    """The outputs if they are probabilities already, else their softmax."""
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=1e-4):
        return outputs
    e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
