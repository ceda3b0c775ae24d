"""Training by an objective, that is, without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minidnn import ops, training
from minidnn.data import ArrayDataset
from minidnn.nn import Module
from minidnn.optim import Optimizer
from minidnn.random import Generator
from minidnn.tensor import Tensor
from minidnn.training import Callback, History


def train(
    objective: Module,
    unlabelled: Any,
    *,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 100,
    valid: Any = None,
    callbacks: Sequence[Callback] = (),
    rng: Generator | None = None,
    progress: bool = True,
    capture: bool | Literal["auto"] = "auto",
    resume: str | os.PathLike[str] | None = None,
) -> History:
    """Trains by `training.fit`, with all that it has: captured steps, schedules, callbacks, checkpoints.

    ::

        rbm = RBM(784, 500)
        train(ContrastiveDivergence(rbm), images, optimizer=optim.SGD(rbm.parameters(), 0.05, 0.9), epochs=10)

    Args:
        objective: a `ContrastiveDivergence`, a `Reconstruction`, or any Module that gives an error, (batch, 1), for
            each example; their mean is what the optimizer makes small.
        unlabelled: examples, (n, n_in), uint8 (0 to 255 stand for 0.0 to 1.0) or float32; of an `ArrayDataset` the
            labels are not looked at.
        optimizer, epochs, batch_size, callbacks, rng, progress, capture, resume: as for `training.fit`.
        valid: further examples, whose error is ``valid_loss`` in the history.

    Returns:
        The history; ``loss`` is the mean error.

    Raises:
        TypeError, ValueError, NonFiniteError, ResumeError: as `training.fit`; examples of another dtype or shape.
    """
    return training.fit(
        objective,
        as_unlabelled(unlabelled),
        loss=mean_error,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        valid=None if valid is None else as_unlabelled(valid),
        callbacks=callbacks,
        metrics=[],
        rng=rng,
        progress=progress,
        capture=capture,
        resume=resume,
    )


def mean_error(errors: Tensor, labels: Any) -> Tensor:
    """The mean of what an objective gives; the labels are not looked at."""
    return ops.mean(errors)


def as_unlabelled(x: Any) -> ArrayDataset:
    """The examples as a data set whose labels are all 0.

    Raises:
        TypeError, ValueError: as `ArrayDataset`.
    """
    x = x.x if isinstance(x, ArrayDataset) else np.asarray(x.data if isinstance(x, Tensor) else x)
    return ArrayDataset(x, np.zeros(len(x) if x.ndim else 0, np.int64))
