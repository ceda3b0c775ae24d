"""Predictions of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minidnn.checks import positive_integer
from minidnn.data.datasets import ArrayDataset, Dataset, same_meaning
from minidnn.data.frames import frame_inputs, is_frame
from minidnn.data.meaning import Meaning, meaning_of
from minidnn.data.stacking import StackDataset
from minidnn.data.targets import as_array, as_float32, parts_of
from minidnn.nn import AlphaDropout, DropConnect, Dropout, Module, Outputs
from minidnn.nn.outputs import alike
from minidnn.nn.temporarily import modes_kept
from minidnn.recording import no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor
from minidnn.training.checks import check_inputs
from minidnn.training.inputs import takes_inputs


class Spread(NamedTuple):
    """Mean and standard deviation over the Monte Carlo samples, each in the shape of the outputs."""

    mean: Array
    std: Array


def predict(
    model: Module,
    x: Any,
    *,
    activation: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 1000,
    mc_samples: int | None = None,
) -> Any:
    """Computes the outputs for every example in evaluation mode, without gradients; restores the model's mode.

    Args:
        x: examples (n, ...) as `ArrayDataset` takes them (float64 is converted to float32, uint8 is divided by 255), or
            one example with one axis; a tuple of arrays for a model with several inputs; a data frame, whose columns
            are selected by the names that the model was trained on; or, as for `evaluate`, a data set or a pair
            ``(x, y)``, whose targets are ignored.
        activation: applied to the outputs, such as ``ops.softmax`` for probabilities.
        batch_size: examples per forward pass.
        mc_samples: number of passes of Monte Carlo dropout (Gal & Ghahramani 2016): dropout is active, all other layers
            stay in evaluation mode. The standard deviation over the passes measures the model's uncertainty.

    Returns:
        An array (n, ...), or (...) for one example; a tuple of arrays if the model has several outputs (`nn.Outputs` if
        they have names); with mc_samples a `Spread` of mean and standard deviation.

    Raises:
        TypeError: x is not numeric.
        ValueError: a column of a frame is missing or unknown; the columns of a data set differ from those that the
            model was trained on; another number of inputs than the model takes; no examples; batch_size or mc_samples
            below 1; mc_samples for a model without dropout.
    """
    batch_size = positive_integer("predict", "batch_size", batch_size)
    examples, is_one = _examples(model, x)
    if not len(examples):
        raise ValueError("predict: there are no examples")
    check_inputs("predict", model, examples)
    dropouts = [
        m for _, m in model.named_modules() if isinstance(m, (Dropout, AlphaDropout, DropConnect)) and not m.frozen
    ]
    with modes_kept(model):
        model.eval()
        if mc_samples is None:
            return _first(_outputs(model, examples, activation, batch_size), is_one)
        if not dropouts:
            raise ValueError("predict: mc_samples needs a model with dropout, this one has none (or it is frozen)")
        for dropout in dropouts:
            dropout.training = True
        count = positive_integer("predict", "mc_samples", mc_samples)
        samples = np.stack([_outputs(model, examples, activation, batch_size) for _ in range(count)])
        return Spread(_first(samples.mean(axis=0), is_one), _first(samples.std(axis=0), is_one))


def _examples(model: Module, x: Any) -> tuple[Dataset, bool]:
    """The examples as a data set, and whether x is a single example."""
    meaning = meaning_of(model)
    if isinstance(x, Dataset):
        if meaning is not None:
            same_meaning("predict", replace(meaning, classes=()), x)
        return x, False
    if isinstance(x, tuple):
        if len(x) == 2 and (isinstance(x[0], tuple) or not takes_inputs(model, 2)):
            return _examples(model, x[0])  # (x, y)
        arrays = [_array(part, None) for part in x]
        return StackDataset(arrays, np.zeros(len(arrays[0]))), False
    array = _array(x, meaning)
    is_one = array.ndim == 1
    if is_one:
        array = array[np.newaxis]
    return ArrayDataset(array, np.zeros(len(array)), keep_axes=True), is_one


def _array(x: Any, meaning: Meaning | None) -> Array:
    if is_frame(x):
        return frame_inputs("predict", x, meaning)[0]
    array = as_array("predict", "x", x)
    if array.dtype.kind == "f":
        return as_float32("predict", "x", array)
    return array if array.dtype == np.uint8 else array.astype(np.int64)


def _first(outputs: Any, is_one: bool) -> Any:
    if not is_one:
        return outputs
    return alike(outputs, (part[0] for part in outputs)) if isinstance(outputs, tuple) else outputs[0]


def _outputs(model: Module, examples: Dataset, activation: Callable[[Tensor], Tensor] | None, batch_size: int) -> Any:
    made, named = [], None
    with no_grad():
        for start in range(0, len(examples), batch_size):
            outputs: Any = model(*parts_of(examples[start : start + batch_size].inputs))
            several = isinstance(outputs, (tuple, list))
            named = outputs if isinstance(outputs, Outputs) else None
            parts = outputs if several else [outputs]
            made.append([(activation(part) if activation else part).data for part in parts])
    joined = tuple(np.concatenate(pieces) for pieces in zip(*made, strict=True))
    if named is not None:
        return named.like(joined)
    return joined if len(joined) > 1 else joined[0]
