"""The epochs of a run: batches, updates, rows of the history."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator as Iteration
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np

from minidnn import data
from minidnn.data.targets import each, parts_of
from minidnn.data.types import Augmentation
from minidnn.nn import Module
from minidnn.nn.finite import not_finite
from minidnn.nn.outputs import Outputs, names_of
from minidnn.nn.takes import takes_of
from minidnn.reference.weights import NonFiniteGradient
from minidnn.training.anomaly import AnomalyError, nan_guard
from minidnn.training.capture import Captured, Step
from minidnn.training.evaluate import measured_in
from minidnn.training.run import Position, Run
from minidnn.training.stepping import Layout, Share, foreign_part, hooks_of, layout_of, step_of
from minidnn.training.weighting import Weighted

logger = logging.getLogger("minidnn")

Batches = Iteration[Any, None, None]


class NonFiniteError(ArithmeticError):
    """The loss or a weight became NaN or infinite."""


class Loop:
    """The epochs of a run.

    Args:
        augment, prefetch, capture: as for `fit`.
    """

    def __init__(self, run: Run, augment: Augmentation | None, prefetch: bool | None, capture: bool | str) -> None:
        self.run, self.augment, self.prefetch, self.capture = run, augment, prefetch, capture
        self.source = run.train if run.weights is None else Weighted(run.train, run.weights)
        self.floats = (takes := takes_of(run.loss_function)) is not None and takes.kind != "classes"
        self.layout: Layout | None = None
        self.step: Step | None = None

    def epoch(self) -> None:
        """Runs one epoch, or the rest of an interrupted one."""
        run = self.run
        run.model.train()
        batches, here = self._batches(), run.position
        with closing(batches):
            start = time.perf_counter()
            while group := list(islice(batches, run.accumulate)):
                examples = self._advance(group)
                here.batches += len(group)
                here.seen += examples
                here.loss_sum += run.loss * examples
                here.seconds += max(time.perf_counter() - start, 0.0)  # a virtual machine's clock may step back
                for callback in run.callbacks:
                    callback.on_step_end(run)
                if self.stopped():
                    return
                start = time.perf_counter()  # the time of callbacks does not count
        run.row = {
            "epoch": run.epoch,
            "step": run.step,
            "lr": here.lr,
            "loss": here.loss_sum / here.seen,
            **{metric.name: metric.compute() for metric in run.metrics},
            "seconds": here.seconds,
            "examples_per_second": here.seen / max(here.seconds, 1e-9),
        }
        if run.valid is not None:
            run.row |= measured_in(run, run.valid, "valid_")
        run.history.rows.append(run.row)
        run.position = Position()
        for callback in run.callbacks:
            callback.on_epoch_end(run)

    def stopped(self) -> bool:
        """Whether the run must end now."""
        return self.run.stopping is not None

    def _advance(self, group: Sequence[Any]) -> int:
        """Makes one update on a group of batches and updates the metrics; returns the number of examples."""
        for outputs, (_, y) in zip(self._update(group), group, strict=True):
            self._count(outputs, y)
        return sum(len(parts_of(y)[0]) for _, y in group)

    def _begin(self, skip: int = 0) -> Batches:
        """The batches of an epoch, in the order of the next draw."""
        run = self.run
        return data.batches(
            self.source,
            run.batch_size,
            run.rng,
            run.drop_last,
            self.augment,
            skip=skip,
            prefetch=self.prefetch,
        )

    def _batches(self) -> Batches:
        run = self.run
        if not run.position.batches:
            run.epoch += 1
            run.position = Position(order=run.rng.get_state(), lr=run.optimizer.lr)
            for metric in run.metrics:
                metric.reset()
            return self._begin()
        now, done = run.rng.get_state(), run.position.batches
        run.rng.set_state(run.position.order)
        batches = self._begin(skip=done)
        run.rng.set_state(now)
        return batches

    def _arrays(self, x: Any, y: Any) -> tuple[Any, ...]:
        """A batch as the step takes it; integer targets become float32 for losses other than those of classes."""
        if self.layout is None:
            self.layout = layout_of(self.run, x)
            self.step = self._step(self.layout)
        if self.floats:
            y = each(y, lambda part: part.astype(np.float32, copy=False))
        return self.layout.flat(x, y)

    def _step(self, layout: Layout) -> Step:
        step = self._captured(step_of(self.run, layout))
        if isinstance(step, Captured):
            self.run.captured = step
        return step

    def _captured(self, step: Step, share: Share | None = None) -> Step:
        """The step, wrapped in `Captured` unless capture is off."""
        run = self.run
        if not self.capture:
            return step

        def depends() -> tuple[Any, ...]:
            parts = run.model, run.loss_function, run.optimizer, run.regularized, run.clip_norm, run.clip_value
            return (*parts, *hooks_of(run), share and share.value)

        strict = self.capture is True
        return Captured(step, strict, run.model, depends, None if strict else lambda: foreign_part(run))

    def _update(self, group: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Makes one update; returns the outputs of each batch."""
        run = self.run
        arrays = [array for x, y in group for array in self._arrays(x, y)]
        assert self.step is not None
        run.optimizer.rates()  # schedules are called once before each step, captured or not
        try:
            loss, *outputs = self.step(*arrays)
        except NonFiniteGradient:
            raise NonFiniteError(self._non_finite_gradient()) from None
        except FloatingPointError as error:
            raise NonFiniteError(self.non_finite(run.step + 1, str(error).split()[-1], arrays)) from None
        run.loss = loss.item()
        run.step += 1
        explain_capture(self.step)
        return outputs_of(run.model, outputs, len(group))

    def _count(self, outputs: Any, y: Any) -> None:
        """Adds a batch to the metrics of the epoch."""
        if self.run.metrics and self.layout is not None:
            targets = self.layout.targets_of(y)
            for metric in self.run.metrics:
                metric.update(outputs, targets)

    def _non_finite_gradient(self) -> str:
        run = self.run
        for path, param in run.model.named_parameters():
            if param._grad is not None and (wrong := np.count_nonzero(~np.isfinite(param._grad))):
                return (
                    f"fit: in step {run.step + 1} (epoch {run.epoch}) the gradient of {path} has {wrong} of "
                    f"{param.size} values that are not finite; no weight was changed. Try DetectAnomaly, which "
                    f"names the op, or a smaller learning rate (now {run.optimizer.lr:g})"
                )
        return f"fit: in step {run.step + 1} (epoch {run.epoch}) the norm of the gradients is not finite"

    def non_finite(self, step: int, value: str, arrays: Sequence[Any]) -> str:
        """The error text for a step whose loss is not finite."""
        run, layout = self.run, self.layout
        assert layout is not None
        culprits = (
            _culprit(run, *layout.split(arrays[start : start + layout.width]))
            for start in range(0, len(arrays), layout.width)
        )
        culprit = next((text for text in culprits if text), "not finite only in the sum with the penalties")
        return (
            f"fit: the loss of step {step} (epoch {run.epoch}) is {value}: {culprit}. Try a smaller "
            f"learning rate (now {run.optimizer.lr:g}), or training.DetectAnomaly"
        )


def outputs_of(model: Module, tensors: Sequence[Any], batches: int) -> list[Any]:
    """The arrays of the outputs, batch by batch, with their names where the model gives them some."""
    if not batches:  # a shard without examples
        return []
    count, names = len(tensors) // batches, names_of(model)
    arrays = [output.data for output in tensors]
    if count == 1 and not names:
        return arrays
    parts = [tuple(arrays[i : i + count]) for i in range(0, len(arrays), count)]
    return [Outputs(names, part) for part in parts] if len(names) == count else parts


def explain_capture(step: Step) -> None:
    """Logs once why a step is not captured."""
    if isinstance(step, Captured) and step.reasons:
        logger.info("fit: the step runs as Python, it is not captured: %s", step.reasons.pop())


def _culprit(run: Run, x: Sequence[Any], y: Any, weights: dict[str, Any]) -> str | None:
    """Runs the forward pass again under `nan_guard`; returns its error text, or None."""
    if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in x):
        return "an input is not finite"
    try:
        with nan_guard(run.model):
            run.loss_function(run.model(*x), y, **weights)
    except AnomalyError as error:
        fault = not_finite(run.model)
        return f"{error}; {fault}, since an earlier update" if fault else str(error)
    return None
