"""What a model says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidnn.checks import positive_integer
from minidnn.nn import AlphaDropout, DropConnect, Dropout, Module
from minidnn.recording import no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor


class Spread(NamedTuple):
    """Mean and standard deviation over the samples, each of the outputs' shape."""

    mean: Array
    std: Array


def predict(
    model: Module,
    x: Any,
    *,
    activation: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 1000,
    mc_samples: int | None = None,
) -> Array | Spread:
    """The outputs for every example, in evaluation mode, without recording; the model's mode is put back.

    Args:
        x: (n, n_in), as the model takes it.
        activation: of the outputs, such as ``ops.softmax`` for probabilities.
        batch_size: examples at a time.
        mc_samples: Monte Carlo dropout (Gal & Ghahramani 2016): so many passes with dropout on, and all else as in
            evaluation; their mean is a better estimate, their spread tells how sure the model is.

    Returns:
        An array (n, ...); with mc_samples mean and standard deviation.

    Raises:
        ValueError: no examples, batch_size or mc_samples below 1, mc_samples for a model without dropout.
    """
    batch_size = positive_integer("predict", "batch_size", batch_size)
    inputs = np.asarray(x.data if isinstance(x, Tensor) else x)
    if not len(inputs):
        raise ValueError("predict: there are no examples")
    modes = [(module, module.training) for _, module in model.named_modules()]
    dropouts = [m for m, _ in modes if isinstance(m, (Dropout, AlphaDropout, DropConnect)) and not m.frozen]
    try:
        model.eval()
        if mc_samples is None:
            return _outputs(model, inputs, activation, batch_size)
        if not dropouts:
            raise ValueError("predict: mc_samples needs a model with dropout, this one has none (or it is frozen)")
        for dropout in dropouts:
            dropout.training = True
        count = positive_integer("predict", "mc_samples", mc_samples)
        samples = np.stack([_outputs(model, inputs, activation, batch_size) for _ in range(count)])
        return Spread(samples.mean(axis=0), samples.std(axis=0))
    finally:
        for module, mode in modes:
            module.training = mode


def _outputs(model: Module, inputs: Array, activation: Callable[[Tensor], Tensor] | None, batch_size: int) -> Array:
    with no_grad():
        outputs = [model(inputs[i : i + batch_size]) for i in range(0, len(inputs), batch_size)]
        return np.concatenate([(activation(y) if activation else y).data for y in outputs])
