"""Summary of a model: layers, output shapes, parameters, trained or frozen, bytes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn.columns import columns
from minidnn.nn.temporarily import Forward, forwards_wrapped, modes_kept
from minidnn.recording import no_grad
from minidnn.tensor import Tensor, as_tensor

if TYPE_CHECKING:
    from minidnn.nn.module import Module

_HEADS = ["layer", "kind", "output", "parameters", "state", "bytes"]


class Summary(str):
    """A string whose repr is the text itself, so that a notebook shows the table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def summary(model: Module, *inputs: Any) -> Summary:
    """Returns a table with one line per layer: path, class, output shape, parameters, whether they are trained, bytes.

    Args:
        inputs: an example of each argument of the model, (batch, ...); a forward pass in evaluation mode determines
            the shapes. Without inputs: zeros with the ``n_in`` of the first layer that has one; if none has, the table
            has no shapes.
    """
    shapes = _shapes(model, inputs or _zeros(model))
    seen: set[int] = set()
    rows, trained, bytes_in_all, count_in_all = [], 0, 0, 0
    for path, module in model.named_modules():
        held = [(p, t) for p, t in module.tensors().items() if "." not in p and id(t) not in seen]
        seen |= {id(tensor) for _, tensor in held}
        parameters = [t for p, t in held if p in dict(module.named_parameters())]
        count, size = sum(t.size for t in parameters), sum(t.data.nbytes for _, t in held)
        learns = sum(t.size for t in parameters if t.requires_grad)
        trained, bytes_in_all, count_in_all = trained + learns, bytes_in_all + size, count_in_all + count
        if path and (held or not any(module.children())):
            state = "" if not count else "trained" if learns == count else "frozen" if not learns else "partly frozen"
            rows.append([path, type(module).__name__, shapes.get(id(module), ""), f"{count:,}", state, f"{size:,}"])
    if not rows:
        rows.append(["", type(model).__name__, shapes.get(id(model), ""), f"{count_in_all:,}", "", f"{bytes_in_all:,}"])
    total = (
        f"parameters: {count_in_all:,} ({trained:,} trained, {count_in_all - trained:,} frozen); {bytes_in_all:,} bytes"
    )
    return Summary(f"{columns([_HEADS, *rows], left=(0, 1, 2, 4))}\n{total}")


def as_html(model: Module) -> str:
    """The summary as escaped, collapsible HTML for notebooks. A model with layers of the user is not run,
    because they may have side effects: its repr is shown instead."""
    modules = [module for _, module in model.named_modules()]
    known = all(type(module).__module__.startswith("minidnn.") for module in modules)
    count = sum(parameter.size for _, parameter in model.named_parameters())
    head = f"{escape(type(model).__name__)}: {count:,} parameters"
    text = escape(str(summary(model)) if known else repr(model))
    return f"<details open><summary>{head}</summary><pre>{text}</pre></details>"


def _zeros(model: Module) -> tuple[Any, ...]:
    widths = (getattr(module, "n_in", None) for _, module in model.named_modules())
    width = next((width for width in widths if isinstance(width, int)), None)
    return () if width is None else (np.zeros((1, width), np.float32),)


def _shapes(model: Module, inputs: tuple[Any, ...]) -> dict[int, str]:
    """The output shape of each module, by its id; the batch axis is "n"."""
    found: dict[int, str] = {}
    if not inputs:
        return found

    def noting(path: str, module: Module, forward: Forward) -> Forward:
        return _noting(forward, id(module), found)

    with modes_kept(model), no_grad(), forwards_wrapped(model, noting):
        model.eval()
        model(*(as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x) for x in inputs))
    return found


def _noting(forward: Forward, key: int, found: dict[int, str]) -> Forward:
    def call(*xs: Any, **options: Any) -> Any:
        outputs = forward(*xs, **options)
        if isinstance(outputs, Tensor):
            found[key] = f"({', '.join(['n', *map(str, outputs.shape[1:])])})"
        return outputs

    return call
