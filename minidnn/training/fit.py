"""`fit` checks its arguments, then runs `minidnn.training.loop`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from minidnn import data
from minidnn.checks import number, positive_integer
from minidnn.data.meaning import meaning_of
from minidnn.data.stacking import as_dataset
from minidnn.data.types import Augmentation
from minidnn.nn import Module, softmax_cross_entropy
from minidnn.nn.finite import not_finite
from minidnn.nn.temporarily import modes_kept
from minidnn.optim import Optimizer
from minidnn.parallel import world
from minidnn.random import Generator, default_generator
from minidnn.training.checkpoint import Checkpoint
from minidnn.training.checks import check_column_order, check_data, check_metrics, check_model, check_optimizer
from minidnn.training.ending import end_all
from minidnn.training.history import History
from minidnn.training.identity import identity
from minidnn.training.interrupt import INTERRUPTED, stop_on_interrupt
from minidnn.training.loop import Loop, NonFiniteError
from minidnn.training.metrics import as_metrics
from minidnn.training.progress import Progress
from minidnn.training.ranks import check_ranks
from minidnn.training.run import Callback, Loss, Run
from minidnn.training.sharded_loop import ShardedLoop, check_shards
from minidnn.training.state import restore
from minidnn.training.stepping import takes_weights
from minidnn.training.weighting import example_weights


def fit(
    model: Module,
    train: Any,
    y: Any = None,
    *,
    loss: Loss = softmax_cross_entropy,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    valid: Any = None,
    metrics: Any = None,
    callbacks: Sequence[Callback] = (),
    class_weight: Any = None,
    sample_weight: Any = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    drop_last: bool = False,
    shards: int | None = None,
    rng: Generator | None = None,
    augment: Augmentation | None = None,
    progress: bool = True,
    capture: bool | Literal["auto"] = "auto",
    prefetch: bool | None = None,
    resume: str | os.PathLike[str] | None = None,
    resume_with: Sequence[str] = (),
    on_interrupt: Literal["stop", "raise"] = "raise",
) -> History:
    """Trains the model; every epoch visits each example once, in a new random order.

    Before the first update, fit checks that model, data, loss and optimizer fit together. If a check fails, nothing has
    changed.

    Args:
        model: trained in place; keeps its mode (train or eval).
        train, y: the training examples: a data set, two arrays ``x, y``, or a pair ``(x, y)``. x may be a tuple of
            arrays, for a model with several inputs, or a data frame of numbers; y may be any targets that the loss
            takes, see `data.Dataset`. Names of columns and classes are kept as ``model.meaning``.
        loss: ``(outputs, targets) -> scalar Tensor``; the model's regularization loss is added to it.
        optimizer: holds the model's parameters.
        epochs: number of passes over the training examples, at least 1.
        batch_size: examples per batch; the last batch of an epoch may be smaller.
        valid: evaluated after each epoch: data as for ``train``, or a share in (0, 1) of the training examples to hold
            out (stratified by class), which takes two draws from ``rng``.
        metrics: functions ``f(outputs, targets) -> number`` of all examples of an epoch, `training.Metric` objects, or
            a mapping of names to functions; None: chosen by the loss, accuracy or mae and r2. Given metrics are tried
            on a few examples before the first update if all layers are from minidnn.
        callbacks: a list of `Callback` objects.
        class_weight: class -> weight, an array of one weight per class, or "balanced"; multiplies the loss of each
            example. Validation and metrics are not weighted.
        sample_weight: one weight per example (n,), or "balanced".
        clip_norm: if the l2 norm of all gradients together exceeds this, they are scaled down to it.
        clip_value: each element of each gradient is clipped to ``[-clip_value, clip_value]``.
        accumulate: batches per update. The update uses the gradient of their mean loss, as for one larger batch, with
            the memory of one batch. The last update of an epoch may have fewer batches.
        drop_last: skip the last batch of an epoch if it is smaller than the others.
        shards: cuts each batch into this many parts, a power of two that divides batch_size. Gradients are summed in a
            fixed binary tree over the shards, so 1, 2, 4, ... processes (`minidnn.parallel`) leave the same bytes.
            Dropout draws per shard, batch normalization uses the statistics of each shard, and augmentation gets one
            shard at a time. None: the batch is not cut, and this process trains alone.
        rng: draws the orders; None: the default generator.
        augment: makes new examples from those of each batch; see `minidnn.data.batches`.
        progress: show a progress bar on a terminal, one line per epoch elsewhere, by the callback `Progress`.
        capture: record the step once and replay it without Python, see `minidnn.training.capture`; the bytes are the
            same. "auto": if the whole step is minidnn code; with your own code (a layer, a loss, an optimizer, a
            function as activation or regularizer) the step runs as Python, and the logger ``minidnn`` gives the reason
            at level INFO. True: capture your code too, within the contract of `minidnn.training.capture`. False: never.
        prefetch: prepare batches ahead in a thread, see `minidnn.data.batches`; None: if that saves time. The bytes are
            the same.
        resume: the folder of a `Checkpoint`: resumes from the newest intact one, with the same bytes as an
            uninterrupted run; starts from the beginning if there is none. Model, optimizer, rate, schedule, loss, data,
            seed and arguments of callbacks must be the same; a difference is named and refused. More epochs and other
            callbacks that only observe are allowed.
        resume_with: names of what may differ and is used as given now: ``("lr", "optimizer.momentum",
            "model.hidden1.rate")``; a first part, such as ``"callbacks"``, stands for all names that begin with it.
        on_interrupt: Ctrl-C stops after the current step and ends the callbacks. "raise": then raises
            KeyboardInterrupt, which also ends a loop around fit; "stop": returns the history, as if a callback had
            stopped the run.

    Returns:
        The history, also if a callback stopped the run.

    Raises:
        NonFiniteError: the loss or a gradient norm became NaN or infinite, or a weight in the last update.
        CaptureError: capture is True, and the step does something that a replay cannot repeat.
        ResumeError: the checkpoints are damaged or from another run; the message names what differs.
        KeyboardInterrupt: see on_interrupt.
        TypeError, ValueError: an argument of another type or out of range; no examples; an input or target that is not
            finite, named by example and column; targets that do not fit the loss or the model's outputs; a model that
            ends in an activation that the loss applies itself; an optimizer that holds no parameter of the model;
            validation data with other classes or columns; a metric that raises an error or returns no number.
    """
    if capture not in (True, False, "auto"):
        raise ValueError(f"fit: capture is {capture!r}, must be 'auto', True or False")
    if on_interrupt not in ("stop", "raise"):
        raise ValueError(f"fit: on_interrupt is {on_interrupt!r}, must be 'stop' or 'raise'")
    train = as_dataset("fit", train, y)
    run = Run(
        model,
        optimizer,
        train,
        None if valid is None or isinstance(valid, float) else as_dataset("fit: valid", valid, like=train.meaning),
        loss,
        positive_integer("fit", "epochs", epochs),
        positive_integer("fit", "batch_size", batch_size),
        rng=rng or default_generator(),
        callbacks=_ordered(callbacks, progress),
        resumed=resume is not None,
        accumulate=positive_integer("fit", "accumulate", accumulate),
        drop_last=drop_last,
        clip_norm=None if clip_norm is None else number("fit", "clip_norm", clip_norm),
        clip_value=None if clip_value is None else number("fit", "clip_value", clip_value),
    )
    if shards is not None:
        run.world = world()
        run.shards = check_shards(run, shards)
        if run.world.rank:
            run.callbacks = [callback for callback in run.callbacks if not callback.alone]
    run.weights = example_weights(run.train, class_weight, sample_weight)
    _ask(run)
    run.regularized = model.is_regularized
    run.metrics = as_metrics("fit", metrics, loss, run.train.y)
    if metrics is not None:
        check_metrics("fit", run.model, run.train, run.metrics)
    if resume is not None or run.world.size > 1 or any(isinstance(callback, Checkpoint) for callback in callbacks):
        run.identity = _identity(run, augment, valid)
    if isinstance(valid, float):
        _hold_back(run, valid)
    _ask_sizes(run)
    _remember(run)
    check_ranks(run)
    loop = (Loop if shards is None else ShardedLoop)(run, augment, prefetch, capture)
    _train(run, loop, resume, resume_with)
    if fault := not_finite(model):
        raise NonFiniteError(f"fit: after the last step, {run.step}, {fault}. Try a smaller learning rate")
    if run.stopping == INTERRUPTED and on_interrupt == "raise":
        raise KeyboardInterrupt(f"fit: stopped after step {run.step} of epoch {run.epoch}")
    return run.history


def _train(run: Run, loop: Loop, resume: str | os.PathLike[str] | None, resume_with: Sequence[str]) -> None:
    begun: list[Callback] = []
    with stop_on_interrupt(run):
        try:
            with modes_kept(run.model):
                with run.world.together():
                    for callback in run.callbacks:
                        callback.on_fit_begin(run)
                        begun.append(callback)
                if resume is not None:
                    restore(run, resume, resume_with)
                while (run.epoch < run.epochs or run.position.batches) and not loop.stopped():
                    loop.epoch()
        finally:
            run.history.stopped = run.stopping
            end_all(begun, run)


def _ordered(callbacks: Any, progress: bool) -> list[Callback]:
    """The callbacks in the order in which they are called, with a progress bar if requested.

    Raises:
        TypeError: not a list of callbacks.
    """
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
        raise TypeError(f"fit: callbacks is {callbacks!r}, must be a list of callbacks")
    for place, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            hint = "; make one of the class, with ()" if isinstance(callback, type) else ""
            raise TypeError(f"fit: callbacks[{place}] is {callback!r}, must be a training.Callback{hint}")
    shown = any(isinstance(callback, Progress) for callback in callbacks)
    bar = [Progress()] if progress and not shown else []
    return sorted([*callbacks, *bar], key=lambda callback: callback.place)


def _remember(run: Run) -> None:
    """Stores the training set's columns and classes in the model, in place of an earlier meaning."""
    if meaning_of(run.model) is not None or run.model.meaning is None:
        run.model.meaning = run.train.meaning if run.train.meaning != data.Meaning() else None


def _ask(run: Run) -> None:
    """Checks that optimizer, data, loss, weights and model fit together."""
    check_optimizer("fit", run.model, run.optimizer)
    check_column_order("fit", run.model, run.train.columns)
    check_data("fit", run.model, run.train, run.loss_function)
    if run.valid is not None:
        check_data("fit: valid", run.model, run.valid, run.loss_function, run.train)
    if run.weights is not None and not takes_weights(run.loss_function):
        raise TypeError("fit: class_weight and sample_weight need a loss with an argument weights=None, (batch,)")
    for part in (run.train, run.valid):
        if part is not None and len(part):
            check_model("fit", run.model, part, run.loss_function)


def _ask_sizes(run: Run) -> None:
    if not len(run.train):
        raise ValueError("fit: the training set is empty")
    if not run.batches_per_epoch:
        raise ValueError(
            f"fit: drop_last leaves no batch: there are {len(run.train)} examples, batch_size is {run.batch_size}"
        )
    if run.valid is not None and not len(run.valid):
        raise ValueError("fit: the validation set is empty")


def _identity(run: Run, augment: Augmentation | None, valid: Any) -> dict[str, str]:
    recipe = {
        "metrics": [metric.name for metric in run.metrics],
        "weights": run.weights,
        "augment": augment,
        "accumulate": run.accumulate,
        "drop_last": run.drop_last,
        "clip_norm": run.clip_norm,
        "clip_value": run.clip_value,
    }
    if run.shards is not None:
        recipe["shards"] = run.shards
    return identity(run, **recipe, **({"valid": valid} if isinstance(valid, float) else {}))


def _hold_back(run: Run, share: float) -> None:
    """Splits the validation set off the training set."""
    if not 0 < share < 1:
        raise ValueError(f"fit: valid is {share}, must be data or a share in (0, 1)")
    rest, run.valid = data.split(run.train, [1 - share, share], rng=run.rng)
    run.weights = None if run.weights is None else run.weights[rest.indices]
    run.train = rest
