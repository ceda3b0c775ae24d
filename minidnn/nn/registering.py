"""Registration of user-defined layers for model files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

from minidnn.nn.module import Module

C = TypeVar("C", bound=type[Module])

REGISTERED: dict[str, type[Module]] = {}
"""Name in files -> layer."""


@overload
def register(layer: C, *, name: str | None = None) -> C: ...
@overload
def register(layer: None = None, *, name: str | None = None) -> Callable[[C], C]: ...
def register(layer: C | None = None, *, name: str | None = None) -> C | Callable[[C], C]:
    """Registers your own layer for `minidnn.save` and `minidnn.load`: write ``@nn.register`` above the class.

    A file holds the name and the result of `Module.config`: by default the arguments of the constructor, read from the
    attributes of the same names. It holds no code: the program that loads the file must also register the class, for
    example by importing the module that defines it. Registering a class again, as when a notebook cell runs again,
    replaces it.

    Args:
        layer: the class.
        name: its name in files; None: the name of the class.

    Raises:
        TypeError: layer is not a subclass of `Module`.
        ValueError: the name is that of a layer of `minidnn.nn` or of another registered class.
    """
    if layer is None:
        return lambda found: register(found, name=name)
    if not (isinstance(layer, type) and issubclass(layer, Module)):
        raise TypeError(f"register: layer is {layer!r}, must be a subclass of nn.Module")
    from minidnn import nn  # here, because the package imports this module

    called = layer.__name__ if name is None else name
    before = REGISTERED.get(called)
    again = before is not None and (before.__module__, before.__qualname__) == (layer.__module__, layer.__qualname__)
    if hasattr(nn, called) or (before is not None and not again):
        taken = f"nn.{called}" if before is None else f"{before.__module__}.{before.__qualname__}"
        raise ValueError(f"register: name {called!r} is taken by {taken}; give another: @nn.register(name=...)")
    REGISTERED[called] = layer
    return layer


def name_of(layer: type[Module]) -> str | None:
    """The name of a registered class in files; None if it is not registered."""
    return next((name for name, known in REGISTERED.items() if known is layer), None)
