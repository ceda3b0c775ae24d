"""Temporary changes of a model: the modes of its parts, and their ``forward``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidnn.nn.module import Module

Forward = Callable[..., Any]


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Context manager that restores the training or evaluation mode of every part at the end."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def forwards_wrapped(model: Module, wrap: Callable[[str, Module, Forward], Forward]) -> Iterator[None]:
    """Context manager that replaces the ``forward`` of each part by ``wrap(path, part, forward)``.

    A shared part is wrapped once, under its first path.
    """
    seen: set[int] = set()
    with ExitStack() as undo:
        for path, module in model.named_modules():
            if id(module) in seen:
                continue
            seen.add(id(module))
            own = vars(module)
            undo.callback(_put_back, own, own.get("forward"))
            own["forward"] = wrap(path, module, module.forward)
        yield


def _put_back(own: dict[str, Any], forward: Forward | None) -> None:
    if forward is None:
        own.pop("forward", None)
    else:
        own["forward"] = forward
