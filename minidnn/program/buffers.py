"""The memory of a program: the arrays that its calls read and write, with their roles and names."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from minidnn.reference.types import Array

Role = Literal["input", "parameter", "state", "gradient", "constant", "result", "temporary"]
"""``state`` is kept beyond the step: slots, counts, running statistics, learning rates, random counters."""


@dataclass(eq=False)
class Buffer:
    """Memory that calls read or write.

    Attributes:
        name: such as ``hidden1.kernel``.
        role: see `Role`.
        shape, dtype: of the array that owns the memory.
        nbytes: its size in bytes.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    nbytes: int

    def __str__(self) -> str:
        return self.name


@dataclass(eq=False)
class Call:
    """One call of a program.

    Attributes:
        kernel: the name of the kernel.
        reads, writes: the buffers, in the order of the arguments and of the results.
        settings: the other arguments by name; a number that is read from memory is a `Buffer`.
        compiled: whether it runs without Python.
        flops: the floating-point operations of a matrix product; 0 for other kernels.
        nbytes: the bytes that it reads and writes.
    """

    kernel: str
    reads: list[Buffer]
    writes: list[Buffer]
    settings: dict[str, Any] = field(default_factory=dict)
    compiled: bool = True
    flops: int = 0
    nbytes: int = 0


def owner_of(array: Array) -> Array:
    """The array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class Memory:
    """The known buffers of a recording, by the array that owns the memory."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Array], Buffer]] = {}
        self._kept: list[Array] = []

    def find(self, array: Array) -> Buffer | None:
        """The buffer that contains the array; None if it is unknown."""
        owner = owner_of(array)
        found = self._known.get(id(owner))
        return found[1] if found is not None and found[0]() is owner else None

    def add(self, array: Array, name: str, role: Role, keep: bool = True) -> Buffer:
        """Adds the memory of the array as a buffer; ``keep`` holds a reference to it."""
        owner = owner_of(array)
        buffer = Buffer(name, role, tuple(owner.shape), str(owner.dtype), owner.nbytes)
        self._known[id(owner)] = weakref.ref(owner), buffer
        if keep:
            self._kept.append(owner)
        return buffer
