"""What is changed in a model for a while, and put back: the modes of its parts, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidnn.nn.module import Module

Forward = Callable[..., Any]


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Within, the parts may be put into training or evaluation mode; afterwards each has its own again."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def forwards_wrapped(model: Module, wrap: Callable[[str, Module, Forward], Forward]) -> Iterator[None]:
    """Within, the ``forward`` of each part is what ``wrap(path, part, forward)`` makes of it.

    A part that is there several times is wrapped once, by its first path.
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
