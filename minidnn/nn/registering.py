"""Layers of the user's own that a file may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

from minidnn.nn.module import Module

C = TypeVar("C", bound=type[Module])

REGISTERED: dict[str, type[Module]] = {}
"""By the name that files give them."""


@overload
def register(layer: C, *, name: str | None = None) -> C: ...
@overload
def register(layer: None = None, *, name: str | None = None) -> Callable[[C], C]: ...
def register(layer: C | None = None, *, name: str | None = None) -> C | Callable[[C], C]:
    """Lets `minidnn.save` and `minidnn.load` know a layer of your own: ``@nn.register`` above the class.

    A file keeps the name and what `Module.config` gives: by default each argument of the constructor, as the attribute
    of that name. It holds no code: the program that loads the file registers the class too, most simply by importing
    the module that defines it. Registering a class again, as a notebook's cell does, replaces it.

    Args:
        layer: the class.
        name: what files call it; the class's name where it is None.

    Raises:
        TypeError: not a subclass of `Module`.
        ValueError: a name of a layer of `minidnn.nn`, or of another class that was registered.
    """
    if layer is None:
        return lambda found: register(found, name=name)
    if not (isinstance(layer, type) and issubclass(layer, Module)):
        raise TypeError(f"register: layer is {layer!r}, must be a subclass of nn.Module")
    from minidnn import nn  # here, for the package imports this module

    called = layer.__name__ if name is None else name
    before = REGISTERED.get(called)
    again = before is not None and (before.__module__, before.__qualname__) == (layer.__module__, layer.__qualname__)
    if hasattr(nn, called) or (before is not None and not again):
        taken = f"nn.{called}" if before is None else f"{before.__module__}.{before.__qualname__}"
        raise ValueError(f"register: name {called!r} is taken by {taken}; give another: @nn.register(name=...)")
    REGISTERED[called] = layer
    return layer


def name_of(layer: type[Module]) -> str | None:
    """What files call a registered class; None where it is not registered."""
    return next((name for name, known in REGISTERED.items() if known is layer), None)
