"""Finds the first op whose output or gradient is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from minidnn.nn import Module
from minidnn.nn.temporarily import Forward, forwards_wrapped
from minidnn.recording import Watcher, mode
from minidnn.reference.types import Array
from minidnn.tensor import Rule, Tensor
from minidnn.training.run import Callback, Run


class AnomalyError(ArithmeticError):
    """An op's output or gradient is not finite; the message names the layer, the op and the first index."""


@contextmanager
def nan_guard(model: Module | None = None) -> Iterator[None]:
    """Context manager: raises at the first op output or gradient that is not finite.

    Checks every array while active; costs nothing otherwise.

    Args:
        model: the error message names its layers; None: the op alone.

    Raises:
        AnomalyError: in the forward op or in the `backward` at fault.
    """
    inside: list[str] = []  # the layers that are running, the innermost last

    def watch(result: Tensor, parents: tuple[Tensor, ...], op: str) -> None:
        layer = inside[-1] if inside else ""
        _look(result._data, f"the output of {op}", layer)
        if result._backward is not None:
            result._backward = _checked(result._backward, op, layer)

    def announced(path: str, module: Module, forward: Forward) -> Forward:
        return _announced(forward, path or module.label, inside)

    with ExitStack() as undo:
        if model is not None:
            undo.enter_context(forwards_wrapped(model, announced))
        mode.watchers = (*mode.watchers, watch)
        undo.callback(_unwatch, watch)
        yield


def _unwatch(watch: Watcher) -> None:
    mode.watchers = tuple(other for other in mode.watchers if other is not watch)


def _announced(forward: Forward, name: str, inside: list[str]) -> Forward:
    """The same forward; ``inside`` ends with the layer's name while it runs."""

    def call(*xs: Any, **options: Any) -> Any:
        inside.append(name)
        try:
            return forward(*xs, **options)
        finally:
            inside.pop()

    return call


def _checked(rule: Rule, op: str, layer: str) -> Rule:
    """The same backward rule, with its gradients checked."""

    def call(dy: Array) -> tuple[Array | None, ...]:
        gradients = rule(dy)
        for gradient in gradients:
            if gradient is not None:
                _look(gradient, f"a gradient of {op}", layer)
        return gradients

    return call


def _look(array: Array, what: str, layer: str) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    wrong = np.argwhere(~finite)
    place = tuple(int(i) for i in wrong[0])
    where = f" in layer {layer}" if layer else ""
    count = "1 value that is" if len(wrong) == 1 else f"{len(wrong)} values that are"
    raise AnomalyError(f"{what}{where} has {count} not finite; the first, at {place}, is {array[place]}")


class DetectAnomaly(Callback):
    """Trains under `nan_guard`: the run ends with an AnomalyError that names the first layer and op at fault."""

    observer = True

    def on_fit_begin(self, run: Run) -> None:
        self._guard = ExitStack()
        self._guard.enter_context(nan_guard(run.model))

    def on_fit_end(self, run: Run) -> None:
        self._guard.close()
