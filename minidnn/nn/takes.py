"""What a loss takes: which targets match which outputs, so that data can be checked before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np

from minidnn.reference.types import Array

F = TypeVar("F", bound=Callable[..., Any])
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Takes:
    """What a loss takes.

    Attributes:
        kind: "classes": outputs (batch, classes), targets integers (batch,) in [0, classes). "elements": targets with
            the shape of the outputs, or (batch,) with outputs (batch, 1). "rows": both (batch, classes).
        soft: with "classes": targets may also be probabilities (batch, classes).
        values: with "elements" and "rows": the allowed targets: "probabilities" in [0, 1], "signs" (0 and 1, or
            -1 and 1), or any "numbers".
        activation: the activation that the loss applies itself, so the model must not end in it.
        metrics: the default metrics of a history: "accuracy", "regression" or None.
    """

    kind: Literal["classes", "elements", "rows"]
    soft: bool = False
    values: Literal["probabilities", "signs", "numbers"] = "numbers"
    activation: Literal["softmax", "sigmoid", None] = None
    metrics: Literal["accuracy", "regression", None] = None


def takes(description: Takes) -> Callable[[F], F]:
    """Decorator that declares what a loss takes; `training.fit` checks it before the first update."""

    def describe(loss: F) -> F:
        loss.takes = description  # type: ignore[attr-defined]
        return loss

    return describe


def unwrapped(loss: Any) -> Any:
    """The function inside ``functools.partial``; any other loss itself."""
    return unwrapped(loss.func) if isinstance(loss, partial) else loss


def takes_of(loss: Any) -> Takes | None:
    """What the loss declares that it takes, or None."""
    found: Takes | None = getattr(unwrapped(loss), "takes", None)
    return found


def mismatch(name: str, description: Takes, outputs: Shape, y: Array) -> str | None:
    """Why targets of this shape and dtype do not match these outputs; None if they match."""
    given = f"{name}: outputs have shape {outputs}, targets have {y.shape} {y.dtype}"
    if description.kind == "elements":
        if outputs == y.shape or (y.ndim == 1 and outputs == (*y.shape, 1)):
            return None
        return f"{given}; they must be the same, or (batch,) with outputs (batch, 1); {fitting(outputs, y)}"
    if description.kind == "rows":
        fits = outputs == y.shape and y.ndim == 2
        return None if fits else f"{given}; both must be (batch, classes); {fitting(outputs, y)}"
    is_soft = y.dtype.kind == "f" and y.ndim == 2
    if len(outputs) == 2 and outputs[1] > 1:
        if is_soft and description.soft and y.shape == outputs:
            return None
        if y.dtype.kind in "iu" and y.shape == outputs[:1]:
            return None
    wanted = "outputs (batch, classes), at least two classes, with integers (batch,)"
    more = " or probabilities (batch, classes)" if description.soft else ""
    return f"{given}; it takes {wanted}{more}; {fitting(outputs, y)}"


def fitting(outputs: Shape, y: Array) -> str:
    """The remedy: the loss that matches these outputs and targets, or the outputs that match these targets."""
    one = len(outputs) == 1 or (len(outputs) == 2 and outputs[1] == 1)
    integers = y.dtype.kind in "iub"
    if y.ndim == 1 and one:
        if integers and np.isin(y, (0, 1)).all():
            return "use nn.sigmoid_cross_entropy, or two outputs"
        return "use nn.mean_squared_error, or one output per class" if integers else "use nn.mean_squared_error"
    if y.ndim == 1 and len(outputs) == 2:
        if not integers and not (y % 1).any() and y.size and y.min() >= 0:
            return "use class numbers, y.astype(int), with nn.softmax_cross_entropy"
        if not integers:
            return "use a model of one output with nn.mean_squared_error, or targets (batch, k)"
        return "use nn.softmax_cross_entropy"
    if integers and y.ndim == 2 and y.shape[1] == 1 and len(outputs) == 2 and outputs[1] > 1:
        return "give targets (batch,), y.ravel()"
    if y.shape == outputs:
        if integers and y.size and (y.sum(axis=-1) == 1).all() and y.min() >= 0:
            return "use y.argmax(axis=1) for classes, or nn.sigmoid_cross_entropy for several labels at once"
        if integers or (y.size and np.isin(y, (0, 1)).all()):
            return "use nn.sigmoid_cross_entropy for several labels at once"
        return "use nn.mean_squared_error, or nn.softmax_cross_entropy for probabilities"
    width = y.shape[1:] if y.ndim > 1 else (1,)
    return f"use a model whose outputs are (batch, {', '.join(map(str, width))})"


def bad_values(name: str, description: Takes, y: Array, classes: int | None = None) -> str | None:
    """Why the loss does not take the values of these targets; None if it does."""
    if not y.size:
        return None
    low, high = y.min(), y.max()
    if description.kind == "classes" and y.dtype.kind in "iu":
        if not (low >= 0 and (classes is None or high < classes)):
            if classes is None:
                remedy = "0 and 1 for -1 and 1, by (y > 0).astype(int)" if low == -1 and high == 1 else "class numbers"
                return f"{name}: labels must be in [0, classes), got {low} to {high}; give {remedy}"
            remedy = "; they are counted from 0: give y - 1" if low == 1 and high == classes else ""
            return f"{name}: labels must be in [0, {classes}), got {low} to {high}{remedy}"
        return None
    if description.kind == "classes" and y.ndim != 2:
        return None  # not probabilities: `mismatch` reports it
    if (description.kind == "classes" or description.values == "probabilities") and not (low >= 0 and high <= 1):
        hint = ""
        if set(np.unique(y[:1000]).tolist()) <= {-1, 1}:
            hint = "; use (y + 1) / 2 for -1 and 1"
        elif y.dtype.kind in "iu":
            hint = "; use nn.softmax_cross_entropy, with one output per class"
        return f"{name}: targets must be in [0, 1], got {low} to {high}{hint}"
    if description.values == "signs" and not are_signs(y):
        return f"{name}: labels must be 0 or 1, or all of them -1 or 1, got {low} to {high}"
    return None


def are_signs(y: Array) -> bool:
    """Whether all elements are 0 or 1, or all are -1 or 1."""
    return bool(np.isin(y, (0, 1)).all() or np.isin(y, (-1, 1)).all())
