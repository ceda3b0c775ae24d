"""The training loop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from minidnn import data, kernels
from minidnn.checks import positive_integer
from minidnn.data import ArrayDataset
from minidnn.data.augment import Augment
from minidnn.data.types import Floats32, Indices
from minidnn.nn import Module, accuracy, softmax_cross_entropy
from minidnn.optim import Optimizer
from minidnn.random import Generator
from minidnn.tensor import Tensor
from minidnn.training.anomaly import AnomalyError, nan_guard
from minidnn.training.capture import Captured, Step
from minidnn.training.evaluate import evaluate
from minidnn.training.history import History
from minidnn.training.interrupt import stop_on_interrupt
from minidnn.training.progress import Progress
from minidnn.training.run import Callback, Loss, Run

logger = logging.getLogger("minidnn")

Batches = Iterator[tuple[Floats32, Indices]]


class NonFiniteError(ArithmeticError):
    """The loss became NaN or infinite."""


def fit(
    model: Module,
    train: ArrayDataset,
    *,
    loss: Loss = softmax_cross_entropy,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    valid: ArrayDataset | None = None,
    callbacks: Sequence[Callback] = (),
    rng: Generator | None = None,
    augment: Augment | None = None,
    progress: bool = True,
    capture: bool = True,
) -> History:
    """Trains the model; every epoch visits the examples once, in a new random order.

    Args:
        model: changed in place; left in the mode (train or eval) it came in.
        train: the examples to learn from.
        loss: ``(logits, labels) -> scalar Tensor``; the model's regularization loss is added to it.
        optimizer: holds the model's parameters.
        epochs: how often to visit every example, at least 1.
        batch_size: examples in an update; the last batch of an epoch may be smaller.
        valid: evaluated after each epoch.
        callbacks: see `Callback`.
        rng: draws the orders; the default generator where it is None.
        augment: makes new images of those of each batch; see `minidnn.data.augment`.
        capture: record the step once and replay it without Python, see `minidnn.training.capture`; the bytes are the
            same. What cannot be captured runs as it is, and the logger ``minidnn`` says why at level INFO.
        progress: show a progress bar on a terminal, a line for each epoch elsewhere.

    Returns:
        The history, also when Ctrl-C or a callback ended the run: Ctrl-C lets the step in hand finish.

    Raises:
        NonFiniteError: the loss became NaN or infinite.
        TypeError, ValueError: epochs or batch_size not an integer, or below 1; no examples.
    """
    epochs = positive_integer("fit", "epochs", epochs)
    batch_size = positive_integer("fit", "batch_size", batch_size)
    if not len(train):
        raise ValueError("fit: the training set is empty")
    run = Run(model, optimizer, train, valid, loss, epochs, batch_size, model.is_regularized)
    if progress:
        callbacks = [*callbacks, Progress(math.ceil(len(train) / batch_size))]
    step = Captured(_step_of(run), model=model, constants=_is_ours(run)) if capture else _step_of(run)
    modes = [(module, module.training) for _, module in model.named_modules()]
    begun: list[Callback] = []
    with stop_on_interrupt(run):
        try:
            for callback in callbacks:
                callback.on_fit_begin(run)
                begun.append(callback)
            while run.epoch < epochs and not run.stopping:
                run.epoch += 1
                _epoch(run, step, callbacks, data.batches(train, batch_size, rng, augment=augment))
        finally:
            run.history.stopped = run.stopping
            for module, mode in modes:
                module.training = mode
            for callback in begun:
                callback.on_fit_end(run)
    return run.history


def _epoch(run: Run, step: Step, callbacks: Sequence[Callback], batches: Batches) -> None:
    run.model.train()
    start = time.perf_counter()
    lr, seen, loss_sum, accuracy_sum = run.optimizer.lr, 0, 0.0, 0.0
    for x, y in batches:
        logits = _update(run, step, x, y)
        seen += len(y)
        loss_sum += run.loss * len(y)
        accuracy_sum += accuracy(logits, y) * len(y)
        for callback in callbacks:
            callback.on_step_end(run)
        if run.stopping:
            return
    seconds = time.perf_counter() - start
    run.row = {
        "epoch": run.epoch,
        "step": run.step,
        "lr": lr,
        "loss": loss_sum / seen,
        "accuracy": accuracy_sum / seen,
        "seconds": seconds,
        "examples_per_second": seen / seconds,
    }
    if run.valid is not None:
        run.row["valid_loss"], run.row["valid_accuracy"] = evaluate(run.model, run.valid, run.loss_function)
    run.history.rows.append(run.row)
    for callback in callbacks:
        callback.on_epoch_end(run)


def _step_of(run: Run) -> Step:
    """The training step, which raises FloatingPointError before it changes anything if the loss is not finite."""

    def step(x: Any, y: Any) -> tuple[Tensor, Tensor]:
        logits = run.model(x)
        loss = run.loss_function(logits, y)
        if run.regularized:
            loss = loss + run.model.regularization_loss()
        kernels.check_finite(loss.data)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        return loss, logits

    return step


def _is_ours(run: Run) -> bool:
    """Whether loss and layers are this package's: only then are the numbers in them known to stay."""
    loss = run.loss_function.func if isinstance(run.loss_function, partial) else run.loss_function
    owners = [getattr(loss, "__module__", ""), *(type(module).__module__ for _, module in run.model.named_modules())]
    return all(owner.startswith("minidnn.") for owner in owners)


def _update(run: Run, step: Step, x: Any, y: Any) -> Tensor:
    try:
        loss, logits = step(x, y)
    except FloatingPointError as error:
        value = str(error).split()[-1]
        raise NonFiniteError(
            f"fit: the loss of step {run.step + 1} (epoch {run.epoch}) is {value}: {_culprit(run, x, y)}. Try a "
            f"smaller learning rate (now {run.optimizer.lr:g}), or training.DetectAnomaly"
        ) from None
    run.loss = loss.item()
    run.step += 1
    if isinstance(step, Captured) and step.reasons:
        logger.info("fit: runs as it is, as it cannot be captured: %s", step.reasons.pop())
    return logits


def _culprit(run: Run, x: Any, y: Any) -> str:
    """What `nan_guard` says when the step is tried again."""
    try:
        with nan_guard(run.model):
            run.loss_function(run.model(x), y)
    except AnomalyError as error:
        return str(error)
    return "not finite only in the sum with the penalties"
