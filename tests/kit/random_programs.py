"""Random programs: shapes, layouts and operands of calls are drawn; see `random_calls` for the ops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidnn import Tensor, ops

GAP = 0.02
"""Inputs are this far from a kink, or exactly on it, which only constants are."""
LARGEST = 50.0
"""No value is larger: products of a few such numbers still have digits in float32."""
LAYOUTS = ("C", "F", "stepped", "reversed", "broadcast")


class Unfit(Exception):
    """The op cannot be called on any value of the program so far."""


@dataclass(frozen=True)
class Leaf:
    """An input: its values, how they lie in memory, and whether its gradient is looked at."""

    values: np.ndarray
    layout: str
    trained: bool

    def tensor(self, values: np.ndarray, dtype: Any) -> Tensor:
        return Tensor(laid(values.astype(dtype), self.layout), requires_grad=self.trained)


@dataclass(frozen=True)
class Step:
    """A call of an op on earlier entries."""

    op: str
    places: Sequence[int]
    call: Callable[..., Tensor]
    options: dict[str, Any]


def laid(values: np.ndarray, layout: str) -> np.ndarray:
    """The same values with other strides."""
    if layout == "F":
        return values.T.copy().T
    if layout == "stepped" and values.ndim:
        wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)
        wide[..., ::2] = values
        return wide[..., ::2]
    if layout == "reversed" and values.ndim:
        return values[::-1].copy()[::-1]
    if layout == "broadcast" and values.size:
        return np.broadcast_to(values.flat[0], values.shape)
    return values.copy()


@dataclass
class Program:
    """Leaves and steps in the order in which they were drawn; every step that no other reads goes into the score."""

    entries: list[Leaf | Step] = field(default_factory=list)

    @property
    def steps(self) -> list[Step]:
        return [entry for entry in self.entries if isinstance(entry, Step)]

    @property
    def trained(self) -> list[int]:
        return [i for i, entry in enumerate(self.entries) if isinstance(entry, Leaf) and entry.trained]

    def run(self, dtype: Any = np.float64, replaced: dict[int, np.ndarray] | None = None, noise: Any = None):
        """All tensors, and the score: the sum of the results times fixed weights.

        Args:
            dtype: of the leaves.
            replaced: values of leaves by place.
            noise: (generator, size): every value is multiplied by 1 plus a random number of up to that size.
        """
        tensors: list[Tensor] = []
        weights, read = np.random.default_rng(0), {p for step in self.steps for p in step.places}
        score = Tensor(np.zeros((), dtype))
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Leaf):
                tensor = entry.tensor((replaced or {}).get(place, entry.values), dtype)
            else:
                tensor = entry.call(*[tensors[p] for p in entry.places])
                if noise is not None and tensor.dtype.kind == "f":
                    rng, size = noise
                    tensor = tensor * Tensor(1 + size * rng.uniform(-1, 1, tensor.shape).astype(dtype))
            tensors.append(tensor)
            if isinstance(entry, Step) and place not in read and tensor.dtype.kind == "f":
                score = score + ops.sum(tensor * Tensor(weights.uniform(0.5, 1.5, tensor.shape).astype(dtype)))
        return tensors, score

    def __str__(self) -> str:
        lines = []
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Leaf):
                kind = "leaf" if entry.trained else "constant"
                lines.append(f"v{place} = {kind} {entry.values.shape} {entry.layout}")
            else:
                operands = ", ".join(f"v{p}" for p in entry.places)
                lines.append(f"v{place} = {entry.op}({operands}, {entry.options})")
        return "\n".join(lines)


class Draw:
    """Draws a program step by step; holds the values so far, in float64."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 20])
        self.program = Program()
        self.values: list[np.ndarray] = []

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one_of(self, *things: Any) -> Any:
        return things[self.rng.integers(len(things))]

    def below(self, n: int, size: Any = None) -> Any:
        """Integers in [-n, n): indices and axes, of both kinds."""
        return self.rng.integers(-n, n, size)

    def shape(self, ndim: int | None = None) -> tuple[int, ...]:
        ndim = int(self.rng.choice(5, p=[0.1, 0.2, 0.35, 0.2, 0.15])) if ndim is None else ndim
        return tuple(int(n) for n in self.rng.choice([0, 1, 2, 3, 4], ndim, p=[0.04, 0.2, 0.3, 0.3, 0.16]))

    def leaf(self, shape: Sequence[int]) -> int:
        """A new leaf; its numbers are exact in float32."""
        shape = tuple(shape)
        values = np.asarray(self.rng.uniform(0.25, 1.6, shape) * self.rng.choice([-1, 1], shape), np.float32)
        layout = self.one_of(*LAYOUTS)
        trained = layout != "broadcast" and self.chance(0.85)
        leaf = Leaf(laid(values, layout).astype(np.float64), layout, trained)
        self.program.entries.append(leaf)
        self.values.append(leaf.values)
        return len(self.values) - 1

    def pick(self, fits: Callable[[np.ndarray], bool] = lambda x: True) -> int:
        """An earlier floating value; the latest ones more often."""
        found = [i for i, x in enumerate(self.values) if x.dtype.kind == "f" and fits(x)]
        if not found:
            raise Unfit
        return found[-1] if self.chance(0.5) else self.one_of(*found)

    def partner(self, shape: Sequence[int], fits: Callable[[np.ndarray], bool] = lambda x: True) -> int:
        """A value that is broadcast with one of this shape: an earlier one, or a new leaf."""
        if self.chance(0.4):
            try:
                return self.pick(lambda x: goes_with(x.shape, shape) and fits(x))
            except Unfit:
                pass
        other = [1 if self.chance(0.2) else n for n in shape]
        other = other[self.rng.integers(len(other) + 1) :] if self.chance(0.3) else other
        if len(other) < 4 and self.chance(0.2):
            other = [self.one_of(1, 2), *[1] * (len(shape) - len(other)), *other]
        return self.leaf(other[-4:])

    def axes(self, ndim: int) -> Any:
        """None, an axis, or several."""
        if not ndim or self.chance(0.25):
            return None
        some = self.rng.permutation(ndim)[: self.rng.integers(1, ndim + 1)]
        some = tuple(int(axis - ndim * self.chance(0.3)) for axis in some)
        return some if self.chance(0.4) else some[0]

    def step(self, op: str, places: Sequence[int], call: Callable[..., Tensor], **options: Any) -> None:
        """Adds a step.

        Raises:
            Unfit: a value is too large.
        """
        step = Step(op, places, call, options)
        value = call(*[Tensor(self.values[p]) for p in places]).data
        assert not np.isnan(value).any(), f"NaN from {op} of {[self.values[p] for p in places]}, {options}"
        if np.abs(value).max(initial=0) > LARGEST or value.size > 400 or value.ndim > 4:
            raise Unfit
        self.program.entries.append(step)
        self.values.append(value)

    def call(self, op: str, *places: int, **options: Any) -> None:
        """Adds a call of an op of that name."""
        self.step(op, places, lambda *xs: getattr(ops, op)(*xs, **options), **options)


def goes_with(a: Sequence[int], b: Sequence[int]) -> bool:
    try:
        return len(np.broadcast_shapes(tuple(a), tuple(b))) <= 4
    except ValueError:
        return False


def away(x: np.ndarray, *kinks: float) -> bool:
    """Whether every element is far from the kinks, or on one."""
    distances = np.abs(np.subtract.outer(x, kinks))
    return bool(((distances == 0) | (distances > GAP)).all())


Rule = Callable[[Draw], None]
"""Draws a call and adds it to the program, or raises Unfit."""


def random_program(seed: int, rules: Mapping[str, Rule]) -> Program:
    """A program of one to six steps; begins with the rule whose turn it is."""
    names = sorted(rules)
    draw = Draw(seed)
    wanted = draw.rng.integers(1, 7)
    for attempt in range(200):
        if len(draw.program.steps) == wanted:
            break
        first = not draw.program.steps
        if first and attempt % 4 == 0:
            draw = Draw(seed + 1_000_000 * attempt)
            draw.leaf(draw.shape() if attempt < 8 else draw.shape(2))
        known = len(draw.values)
        try:
            rules[names[seed % len(names)] if first else draw.one_of(*names)](draw)
        except Unfit:
            del draw.values[known:], draw.program.entries[known:]
    return draw.program
