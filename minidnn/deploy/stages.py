"""A compiled model as a list of stages, each of which computes one value from earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from minidnn import kernels
from minidnn.deploy.weights import Weights

Floats = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage:
    """Values are numbered: 0 is the input, ``target`` the stage's result. ``name`` is the layer's, for reports."""

    source: int
    target: int
    name: str = ""
    other: int | None = None
    kind: ClassVar[str]

    def width(self, widths: Sequence[int]) -> int:
        """The width of its result."""
        return widths[self.source]

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        """Adds the stage to an engine, with the slots that hold its values."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class Product(Stage):
    """y = activation(x @ weights + bias)."""

    weights: Weights
    bias: Floats
    activation: str = "identity"
    alpha: float = 0.0
    kind = "product"

    def width(self, widths: Sequence[int]) -> int:
        return self.weights.n_out

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        w = self.weights
        arrays: list[Any] = [w.values] if w.starts is None else [w.starts, w.rows, w.values]
        if w.quantization is not None:
            q = w.quantization
            arrays += [float(np.float32(1 / q.scale)), q.zero, w.corrections(), np.float32(q.scale) * q.scales]
        prefix = "byte_" if w.quantization else ""
        add = getattr(engine, prefix + ("sparse" if w.is_sparse else "dense"))
        add(source, target, *arrays, self.bias, self.activation, self.alpha)


@dataclass(frozen=True, eq=False, kw_only=True)
class Activation(Stage):
    """y = activation(x)."""

    activation: str
    alpha: float = 0.0
    kind = "activation"

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.activation(source, target, self.activation, self.alpha)


@dataclass(frozen=True, eq=False, kw_only=True)
class PReLU(Stage):
    """y = x where x > 0, else slopes * x."""

    slopes: Floats
    kind = "prelu"

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.prelu(source, target, self.slopes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(Stage):
    """y = exp(x) / sum(exp(x))."""

    kind = "softmax"

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.softmax(source, target)


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Stage):
    """y = x * scale + shift: batch normalization in evaluation that could not be folded into a dense layer."""

    scale: Floats
    shift: Floats
    kind = "affine"

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.affine(source, target, self.scale, self.shift)


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerNorm(Stage):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta along each row."""

    gamma: Floats
    beta: Floats
    eps: float
    kind = "layer_norm"

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.layer_norm(source, target, self.gamma, self.beta, self.eps)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Stage):
    """y = x + other."""

    kind = "add"

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.add(source, other, target)


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Stage):
    """y = x and other side by side."""

    kind = "concat"

    def width(self, widths: Sequence[int]) -> int:
        assert self.other is not None
        return widths[self.source] + widths[self.other]

    def add_to(self, engine: Any, source: int, other: int, target: int) -> None:
        engine.concat(source, other, target)


KINDS: dict[str, type[Stage]] = {
    stage.kind: stage for stage in (Product, Activation, PReLU, Softmax, Affine, LayerNorm, Add, Concat)
}
"""The kinds of stages that a file may name."""


@dataclass(frozen=True, eq=False)
class Program:
    """The stages of a model with ``n_in`` inputs; the last one's value is the output, or the input if there is none.

    Stage i makes value i + 1.
    """

    n_in: int
    stages: tuple[Stage, ...] = field(default=())

    @property
    def widths(self) -> list[int]:
        """The width of every value."""
        widths = [self.n_in]
        for stage in self.stages:
            widths.append(stage.width(widths))
        return widths

    @property
    def products(self) -> list[Product]:
        return [stage for stage in self.stages if isinstance(stage, Product)]

    def value(self, number: int, x: Floats) -> Floats:
        """The value with this number for inputs x; value 0 is x itself."""
        return x if number == 0 else np.asarray(Program(self.n_in, self.stages[:number]).engine().run(x, None))

    def engine(self) -> Any:
        """An engine that runs it, see `minidnn.kernels.new_engine`. Slots of values no longer needed are reused."""
        widths, last_use = self.widths, {0: 0}
        for i, stage in enumerate(self.stages):
            last_use[i + 1] = i  # unless a later stage reads it
            for value in (stage.source, stage.other):
                if value is not None:
                    last_use[value] = i
        slot_of, slots, free = {0: 0}, [self.n_in], list[int]()
        for i in range(len(self.stages)):
            fitting = [slot for slot in free if slots[slot] == widths[i + 1]]
            if fitting:
                free.remove(fitting[0])
                slot_of[i + 1] = fitting[0]
            else:
                slot_of[i + 1] = len(slots)
                slots.append(widths[i + 1])
            free += [slot_of[v] for v, used in last_use.items() if used == i and 0 < v <= i]
        engine = kernels.new_engine(slots)
        for stage in self.stages:
            other = stage.source if stage.other is None else stage.other
            stage.add_to(engine, slot_of[stage.source], slot_of[other], slot_of[stage.target])
        return engine
