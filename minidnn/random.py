"""Counter-based random numbers: one seed gives the same bytes on every thread count and instruction set."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn import kernels, pipeline
from minidnn.array_access import refuse

Shape = int | tuple[int, ...]


class Generator:
    """A stream of Philox 4x32-10 draws (Salmon et al. 2011).

    Each call of a method below is one *draw*: element ``i`` of draw ``d`` depends only on ``(seed, stream, d, i)``,
    not on threads, instruction sets or the size of earlier draws.

    Args:
        seed: 0 <= seed < 2**64, the Philox key.
        stream: 0 <= stream < 2**32; generators with the same seed and different streams share no draws.

    Raises:
        TypeError: seed or stream is not an integer.
        ValueError: seed or stream is out of range.
    """

    __slots__ = ("_draw", "_lock", "seed", "stream")

    def __init__(self, seed: int, stream: int = 0) -> None:
        self.seed = _checked("seed", seed, 2**64)
        self.stream = _checked("stream", stream, 2**32)
        self._draw = np.zeros((), np.uint64)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _at, (self.seed, self.stream, self.draw)

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, stream={self.stream}, draw={self.draw})"

    @property
    def draw(self) -> int:
        """The number of the next draw."""
        if kernels.recorder() is not None:
            refuse("Generator.draw", "let ops and layers draw")
        return int(self._draw)

    @draw.setter
    def draw(self, number: int) -> None:
        if kernels.recorder() is not None:
            refuse("setting Generator.draw", "let ops and layers draw")
        self._draw[...] = _checked("draw", number, 2**64)

    def next_key(self) -> tuple[int, int, Any]:
        """Returns ``(seed, stream, draw)`` of the next draw and advances to the one after it.

        The draw is an int. While a step is recorded, it is a 0-dimensional array that each replay fills.
        """
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.generator(self)
        with self._lock:
            draw = kernels.next_draw(self._draw)
        return self.seed, self.stream, draw if recorder is not None else int(draw)

    def bits(self, shape: Shape) -> npt.NDArray[np.uint32]:
        """uint32, uniform in [0, 2**32)."""
        self._refuse("bits")
        shape = _as_shape(shape)
        return kernels.random_bits(math.prod(shape), *self.next_key()).reshape(shape)

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0) -> npt.NDArray[np.float32]:
        """float32, uniform in [low, high), from 24 random bits."""
        self._refuse("uniform")
        unit = (self.bits(shape) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        return np.float32(low) + np.float32(high - low) * unit

    def normal(self, shape: Shape, mean: float = 0.0, std: float = 1.0) -> npt.NDArray[np.float32]:
        """float32, normal: ``mean + std * quantile(u)``, with u from 32 random bits."""
        self._refuse("normal")
        shape = _as_shape(shape)
        return kernels.random_normal(math.prod(shape), mean, std, *self.next_key()).reshape(shape)

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """int64, a random permutation of ``arange(n)``."""
        self._refuse("permutation")
        return pipeline.permutation(n, *self.next_key())

    def spawn(self) -> Generator:
        """A new generator whose seed is 64 bits of this one's next draw."""
        low, high = self.bits(2).tolist()
        return Generator(low | (high << 32))

    def _refuse(self, method: str) -> None:
        if kernels.recorder() is not None:
            refuse(f"Generator.{method}", "let ops and layers draw, such as ops.dropout")

    def get_state(self) -> dict[str, int]:
        """Returns the whole state: ``seed``, ``stream`` and ``draw``."""
        return {"seed": self.seed, "stream": self.stream, "draw": self.draw}

    def set_state(self, state: dict[str, int]) -> None:
        """Sets the state that `get_state` returned; the next draw is the same as then."""
        self.seed = _checked("seed", state["seed"], 2**64)
        self.stream = _checked("stream", state["stream"], 2**32)
        self.draw = state["draw"]


def _checked(name: str, value: int, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"Generator: {name} must be an integer, got {type(value).__name__}")
    if not 0 <= value < limit:
        raise ValueError(f"Generator: {name} must be in [0, 2**{limit.bit_length() - 1}), got {value}")
    return int(value)


def _as_shape(shape: Shape) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


_default = Generator(0)


def default_generator() -> Generator:
    """The generator that is used if no ``rng=`` is given."""
    return _default


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator, which determines initial weights, order and masks; returns it."""
    _default.set_state({"seed": _checked("seed", seed, 2**64), "stream": 0, "draw": 0})
    return _default


def get_rng_state() -> dict[str, int]:
    """The state of the default generator."""
    return _default.get_state()


def set_rng_state(state: dict[str, int]) -> None:
    """Sets the state of the default generator, as `get_rng_state` returned it."""
    _default.set_state(state)


def _at(seed: int, stream: int, draw: int) -> Generator:
    """A generator at the given draw; pickle and copy call it."""
    generator = Generator(seed, stream)
    generator.draw = draw
    return generator
