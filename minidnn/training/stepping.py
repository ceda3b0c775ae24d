"""The training step: forward, loss, backward, update, for one batch or for several whose gradients add up."""

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
    """How the arrays of a batch lie side by side in the arguments of the step: inputs, targets, weights.

    Attributes:
        inputs, targets: how many; 0 for one that is no tuple.
        is_weighted: whether the last array has the examples' weights.
    """

    inputs: int
    targets: int
    is_weighted: bool

    @property
    def width(self) -> int:
        """Arrays in a batch."""
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
    """The layout of the run's batches, of which x are the inputs of one."""
    y = run.train.y
    return Layout(
        inputs=len(x) if isinstance(x, tuple) else 0,
        targets=len(y) if isinstance(y, tuple) else 0,
        is_weighted=run.weights is not None,
    )


def step_of(run: Run, layout: Layout) -> Step:
    """The training step, which raises FloatingPointError before it changes weights if the loss is not finite, and
    NonFiniteGradient if a gradient is not: that is looked for where the step runs as Python, where gradients are
    clipped by their norm, and where an op has a derivative without bound.

    It takes the arrays of one batch or of several, of which it makes one update: that of their mean loss. It returns
    the loss and the outputs, batch by batch.
    """
    gradients, update = gradients_of(run, layout), update_of(run)

    def step(*arrays: Any) -> tuple[Tensor, ...]:
        made = gradients(*arrays)
        update()
        return made

    return step


class Share:
    """The share of a shard in its batch, for the shards of a step one after the other."""

    value = 1.0


def gradients_of(run: Run, layout: Layout, share: Share | None = None) -> Step:
    """The first half of the step: gradients in place of those of the step before; loss and outputs are returned.

    Args:
        share: multiplies the loss, and so the gradients.
    """

    def gradients(*arrays: Any) -> tuple[Tensor, ...]:
        total: Tensor | None = None
        made: list[Tensor] = []
        starts = range(0, len(arrays), layout.width)
        examples = sum(len(arrays[start]) for start in starts)
        if run.regularized:
            forget_penalties(run.model)  # of passes that nobody asked for them
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
    """The second half of the step: callbacks see the gradients, which are clipped; the optimizer makes its step."""
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
    """The callbacks that look at gradients."""
    return [callback for callback in run.callbacks if type(callback).on_gradients is not Callback.on_gradients]


def foreign_part(run: Run) -> str | None:
    """What in the step is not minidnn's own, in words; None where all is."""
    if hooks := hooks_of(run):
        return f"{type(hooks[0]).__name__}.on_gradients looks at gradients"
    return foreign(run.model, run.loss_function, run.optimizer)


def takes_weights(loss: Loss) -> bool:
    """Whether the loss has an argument ``weights``."""
    try:
        parameters = inspect.signature(loss).parameters
    except (TypeError, ValueError):
        return False
    return "weights" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
