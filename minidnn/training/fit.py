"""The training loop."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Generator as Iteration
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

from minidnn import data, kernels
from minidnn.checks import positive_integer
from minidnn.data import Dataset
from minidnn.data.types import Augmentation, Floats32, Indices
from minidnn.nn import Module, accuracy, softmax_cross_entropy
from minidnn.nn.finite import not_finite
from minidnn.optim import Optimizer
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor
from minidnn.training.anomaly import AnomalyError, nan_guard
from minidnn.training.capture import Captured, Step
from minidnn.training.checkpoint import Checkpoint
from minidnn.training.ending import end_all
from minidnn.training.evaluate import evaluate
from minidnn.training.history import History
from minidnn.training.identity import identity
from minidnn.training.interrupt import stop_on_interrupt
from minidnn.training.progress import Progress
from minidnn.training.run import Callback, Loss, Position, Run
from minidnn.training.state import restore

logger = logging.getLogger("minidnn")

Batches = Iteration[tuple[Floats32 | Indices, Indices], None, None]


class NonFiniteError(ArithmeticError):
    """The loss or a weight became NaN or infinite."""


def fit(
    model: Module,
    train: Dataset,
    *,
    loss: Loss = softmax_cross_entropy,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    valid: Dataset | None = None,
    callbacks: Sequence[Callback] = (),
    rng: Generator | None = None,
    augment: Augmentation | None = None,
    progress: bool = True,
    capture: bool = True,
    prefetch: bool | None = None,
    resume: str | os.PathLike[str] | None = None,
    resume_with: Sequence[str] = (),
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
        augment: makes new examples of those of each batch; see `minidnn.data.batches`.
        capture: record the step once and replay it without Python, see `minidnn.training.capture`; the bytes are the
            same. What cannot be captured runs as it is, and the logger ``minidnn`` says why at level INFO.
        prefetch: make batches ahead in a thread, see `minidnn.data.batches`; None: where that pays. The bytes are the
            same.
        resume: a folder of `Checkpoint`: goes on from the newest that is whole, with the same bytes as if the run had
            never been cut; from the beginning where there is none. Model, optimizer, rate, schedule, loss, data, seed
            and what callbacks were given must be those of that run; what differs is named and refused. More epochs are
            allowed, and so are callbacks that only watch.
        resume_with: what may differ all the same, by name, and is as given now: ``("lr", "optimizer.momentum",
            "model.hidden1.rate")``; a first part, such as ``"callbacks"``, stands for all that it begins.
        progress: show a progress bar on a terminal, a line for each epoch elsewhere.

    Returns:
        The history, also when Ctrl-C or a callback ended the run: Ctrl-C lets the step in hand finish.

    Raises:
        NonFiniteError: the loss became NaN or infinite, or a weight by the last update.
        ResumeError: the checkpoints are damaged, or of another run.
        TypeError, ValueError: epochs or batch_size not an integer, or below 1; no examples.
    """
    epochs = positive_integer("fit", "epochs", epochs)
    batch_size = positive_integer("fit", "batch_size", batch_size)
    if not len(train):
        raise ValueError("fit: the training set is empty")
    last = [
        callback for callback in callbacks if isinstance(callback, Checkpoint)
    ]  # when all others have seen the step
    callbacks = [callback for callback in callbacks if not isinstance(callback, Checkpoint)]
    run = Run(
        model,
        optimizer,
        train,
        valid,
        loss,
        epochs,
        batch_size,
        model.is_regularized,
        rng=rng or default_generator(),
        callbacks=callbacks,
        resumed=resume is not None,
    )
    if progress:
        shown = Progress(math.ceil(len(train) / batch_size))
        callbacks = [*callbacks, shown]
    callbacks = [*callbacks, *last]
    if last or resume is not None:
        run.identity = identity(run, augment=augment)
    step = Captured(_step_of(run), model=model, constants=_is_ours(run)) if capture else _step_of(run)
    modes = [(module, module.training) for _, module in model.named_modules()]
    begun: list[Callback] = []
    with stop_on_interrupt(run):
        try:
            for callback in callbacks:
                callback.on_fit_begin(run)
                begun.append(callback)
            if resume is not None and restore(run, resume, resume_with) and progress:
                shown.load_state_dict(run, {})
            while (run.epoch < epochs or run.position.batches) and not run.stopping:
                _epoch(run, step, callbacks, augment, prefetch)
        finally:
            run.history.stopped = run.stopping
            for module, mode in modes:
                module.training = mode
            end_all(begun, run)
    if fault := not_finite(model):
        raise NonFiniteError(f"fit: after the last step, {run.step}, {fault}. Try a smaller learning rate")
    return run.history


def _batches(run: Run, augment: Augmentation | None, prefetch: bool | None) -> Batches:
    """The batches of the next epoch, or those that are left of the one that was cut."""
    if not run.position.batches:
        run.epoch += 1
        run.position = Position(order=run.rng.get_state(), lr=run.optimizer.lr)
        return data.batches(run.train, run.batch_size, run.rng, augment=augment, prefetch=prefetch)
    now, done = run.rng.get_state(), run.position.batches
    run.rng.set_state(run.position.order)
    batches = data.batches(run.train, run.batch_size, run.rng, augment=augment, skip=done, prefetch=prefetch)
    run.rng.set_state(now)
    return batches


def _epoch(
    run: Run, step: Step, callbacks: Sequence[Callback], augment: Augmentation | None, prefetch: bool | None
) -> None:
    run.model.train()
    batches, here = _batches(run, augment, prefetch), run.position
    with closing(batches):
        start = time.perf_counter()
        for x, y in batches:
            logits = _update(run, step, x, y)
            here.batches += 1
            here.seen += len(y)
            here.loss_sum += run.loss * len(y)
            here.accuracy_sum += accuracy(logits, y) * len(y)
            here.seconds += max(time.perf_counter() - start, 0.0)  # the clock of a virtual machine may go back
            for callback in callbacks:
                callback.on_step_end(run)
            if run.stopping:
                return
            start = time.perf_counter()  # callbacks take no time of the training
    run.row = {
        "epoch": run.epoch,
        "step": run.step,
        "lr": here.lr,
        "loss": here.loss_sum / here.seen,
        "accuracy": here.accuracy_sum / here.seen,
        "seconds": here.seconds,
        "examples_per_second": here.seen / max(here.seconds, 1e-9),
    }
    if run.valid is not None:
        run.row["valid_loss"], run.row["valid_accuracy"] = evaluate(run.model, run.valid, run.loss_function)
    run.history.rows.append(run.row)
    run.position = Position()
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
    before = run.optimizer.steps
    try:
        loss, logits = step(x, y)
    except FloatingPointError as error:
        value = str(error).split()[-1]
        failed = run.step + 1 + run.optimizer.steps - before  # a captured step may find out when it is tried again
        raise NonFiniteError(
            f"fit: the loss of step {failed} (epoch {run.epoch}) is {value}: {_culprit(run, x, y)}. Try a "
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
