"""Training with an objective instead of labels."""

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
    """Trains an objective with `training.fit`, including captured steps, schedules, callbacks and checkpoints.

    ::

        rbm = RBM(784, 500)
        train(ContrastiveDivergence(rbm), images, optimizer=optim.SGD(rbm.parameters(), 0.05, 0.9), epochs=10)

    Args:
        objective: a `ContrastiveDivergence`, a `Reconstruction`, or any Module that returns an error per example,
            (batch, 1); the optimizer minimizes their mean.
        unlabelled: examples, (n, n_in), uint8 (0 to 255 mean 0.0 to 1.0) or float32; labels of an `ArrayDataset` are
            ignored.
        optimizer, epochs, batch_size, callbacks, rng, progress, capture, resume: as for `training.fit`.
        valid: further examples, whose error is ``valid_loss`` in the history.

    Returns:
        The history; ``loss`` is the mean error.

    Raises:
        TypeError, ValueError, NonFiniteError, ResumeError: as `training.fit`; also for examples of another dtype or
            shape.
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
    """The mean of the errors of an objective; the labels are ignored."""
    return ops.mean(errors)


def as_unlabelled(x: Any) -> ArrayDataset:
    """The examples as a data set whose labels are all 0.

    Raises:
        TypeError, ValueError: as `ArrayDataset`.
    """
    x = x.x if isinstance(x, ArrayDataset) else np.asarray(x.data if isinstance(x, Tensor) else x)
    return ArrayDataset(x, np.zeros(len(x) if x.ndim else 0, np.int64))
