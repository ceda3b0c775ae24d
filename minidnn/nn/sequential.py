"""Layers in a chain."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import overload

from minidnn.nn.module import Module
from minidnn.tensor import Tensor


class Sequential(Module):
    """y = layer_n(... layer_2(layer_1(x))).

    A part is named by its ``name``, or by its index ("0", "1", ...) if it has none. A slice is a Sequential of the same
    layers, not of copies.

    Raises:
        TypeError: a layer is not a Module.
        ValueError: two layers have the same name; a name is empty or contains a dot.
    """

    def __init__(self, *layers: Module, name: str | None = None) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: layer {i} is a {type(layer).__name__}, must be a Module")
        self.layers = list(layers)
        self.name = name
        known: set[str] = set()
        for called, _ in self.children():
            if called in known or "." in called or not called:
                raise ValueError(f"Sequential: layer names must be distinct and without dots, got {called!r}")
            known.add(called)

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, layer in enumerate(self.layers):
            yield (layer.name if layer.name is not None else str(i)), layer

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def __repr__(self) -> str:
        parts = "".join(f"{name}: {layer!r}\n" for name, layer in self.children())
        return f"Sequential(\n{indent(parts, '  ')})" if parts else "Sequential()"

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module | Sequential:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]
