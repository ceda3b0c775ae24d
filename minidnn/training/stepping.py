"""The training step: forward, loss, backward, update, for one batch or for several with accumulated gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minidnn import kernels, optim
from minidnn.data.targets import parts_of
from minidnn.nn.module import forget_penalties
from minidnn.reference.types import Array
from minidnn.tensor import Tensor
from minidnn.training.capture import Step
from minidnn.training.ownership import foreign
from minidnn.training.run import Callback, Loss, Run


@dataclass(frozen=True)
class Layout:
    """The order of a batch's arrays in the arguments of the step: inputs, targets, weights.

    Attributes:
        inputs, targets: number of arrays; 0 for a single array that is not in a tuple.
        is_weighted: whether the last array holds the examples' weights.
    """

    inputs: int
    targets: int
    is_weighted: bool

    @property
    def width(self) -> int:
        """Number of arrays in a batch."""
        return max(self.inputs, 1) + max(self.targets, 1) + self.is_weighted

    def flat(self, x: Any, y: Any) -> tuple[Array, ...]:
        """The arrays of a batch, as the step takes them."""
        return (*parts_of(x), *parts_of(y))

    def targets_of(self, y: Any) -> Any:
        """The targets of a batch, without the weights."""
        parts = parts_of(y)
        return parts[: self.targets] if self.targets else parts[0]

    def split(self, arrays: Sequence[Array]) -> tuple[tuple[Array, ...], Any, dict[str, Array]]:
        """Inputs, targets and ``{"weights": ...}`` of a batch."""
        at = max(self.inputs, 1)
        end = at + max(self.targets, 1)
        y = tuple(arrays[at:end]) if self.targets else arrays[at]
        return tuple(arrays[:at]), y, {"weights": arrays[end]} if self.is_weighted else {}


def layout_of(run: Run, x: Any) -> Layout:
    """The layout of the run's batches; x: the inputs of one batch."""
    y = run.train.y
    return Layout(
        inputs=len(x) if isinstance(x, tuple) else 0,
        targets=len(y) if isinstance(y, tuple) else 0,
        is_weighted=run.weights is not None,
    )


def step_of(run: Run, layout: Layout) -> Step:
    """The training step. It makes one update on the mean loss of one batch or of several.

    It takes the arrays of the batches and returns the loss and the outputs, batch by batch. Before it changes weights,
    it raises FloatingPointError if the loss is not finite, and NonFiniteGradient if a gradient is not. Gradients are
    checked if the step runs as Python, if they are clipped by their norm, or if an op has an unbounded derivative.
    """
    gradients, update = gradients_of(run, layout), update_of(run)

    def step(*arrays: Any) -> tuple[Tensor, ...]:
        made = gradients(*arrays)
        update()
        return made

    return step


class Share:
    """The share of the current shard in its batch, set before each shard of a step."""

    value = 1.0


def gradients_of(run: Run, layout: Layout, share: Share | None = None) -> Step:
    """The first half of the step: replaces the gradients; returns loss and outputs.

    Args:
        share: multiplies the loss, and so the gradients.
    """

    def gradients(*arrays: Any) -> tuple[Tensor, ...]:
        total: Tensor | None = None
        made: list[Tensor] = []
        starts = range(0, len(arrays), layout.width)
        examples = sum(len(arrays[start]) for start in starts)
        if run.regularized:
            forget_penalties(run.model)  # left by forward passes outside the step
        for start in starts:
            x, y, weights = layout.split(arrays[start : start + layout.width])
            outputs: Any = run.model(*x)
            loss = run.loss_function(outputs, y, **weights)
            if run.regularized:
                loss = loss + run.model.regularization_loss()
            if len(starts) > 1 or share is not None:
                loss = loss * (len(x[0]) / examples * (1.0 if share is None else share.value))
            kernels.check_finite(loss._data)
            if not start:
                run.optimizer.zero_grad()
            loss.backward()
            total = loss if total is None else total.detach() + loss.detach()
            made += outputs if isinstance(outputs, (tuple, list)) else [outputs]
        assert total is not None
        return (total, *made)

    return gradients


def update_of(run: Run) -> Callable[[], None]:
    """The second half of the step: calls ``on_gradients``, clips the gradients, runs the optimizer's step."""
    hooks = hooks_of(run)
    params = [track.param for track in run.optimizer.tracks()]

    def update() -> None:
        for hook in hooks:
            hook.on_gradients(run)
        if run.clip_value is not None:
            optim.clip_by_value(params, run.clip_value)
        if run.clip_norm is not None:
            kernels.check_gradients(optim.clip_by_global_norm(params, run.clip_norm)._data)
        run.optimizer.step()

    return update


def hooks_of(run: Run) -> list[Callback]:
    """The callbacks that define ``on_gradients``."""
    return [callback for callback in run.callbacks if type(callback).on_gradients is not Callback.on_gradients]


def foreign_part(run: Run) -> str | None:
    """Describes a part of the step that is not minidnn code; None if there is none."""
    if hooks := hooks_of(run):
        return f"{type(hooks[0]).__name__}.on_gradients reads gradients"
    return foreign(run.model, run.loss_function, run.optimizer)


def takes_weights(loss: Loss) -> bool:
    """Whether the loss has an argument ``weights``."""
    try:
        parameters = inspect.signature(loss).parameters
    except (TypeError, ValueError):
        return False
    return "weights" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
