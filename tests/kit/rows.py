"""The row of the table of kernels, and its usual sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.checks import Bits, Bound, Ulps

SIZES = (0, 1, 15, 16, 17, 31, 33, 1000, 2 * 32768 + 17)
"""Around every vector width, and beyond the grain of the parallel loops."""

ROWS = ((0, 5), (1, 1), (3, 15), (5, 16), (4, 17), (2, 31), (7, 33), (3, 1000), (70, 1037))
"""(rows, columns), the same for kernels on rows."""

PRODUCTS = (
    (1, 1, 1), (5, 0, 3), (0, 4, 3), (3, 4, 0), (1, 7, 15), (5, 7, 16), (13, 7, 17), (14, 300, 33), (31, 65, 64),
    (50, 784, 300), (27, 1000, 65),
)  # fmt: skip
"""(m, k, n), around the register tile and the cache blocks."""

LAYERS = ((1, 1, 1), (4, 3, 0), (0, 3, 4), (5, 7, 15), (13, 33, 17), (50, 784, 300), (200, 300, 50), (27, 65, 33))
"""(batch, n_in, n_out)."""

KEY = (0x0123456789ABCDEF, 3, (1 << 40) + 5)
"""(seed, stream, draw), with bits in both halves."""

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Tolerance = Bits | Ulps | Bound


@dataclass(frozen=True, eq=False)  # hashed by identity
class Kernel:
    """A row.

    Attributes:
        name: in `minidnn.reference`, `minidnn.kernels` and ``_core``.
        make: (generator, size) -> (arguments, options).
        tolerances: one for each output; a function of the exact arguments and that output's exact value where it
            must be derived from them.
        sizes: what `make` is called with.
        mutated: places of the arguments that the kernel changes.
        domain: for an argument that is not free, by its place, what makes it of any numbers.
        variant: distinguishes rows of one kernel.
    """

    name: str
    make: Callable[[np.random.Generator, Any], Arguments]
    tolerances: Sequence[Tolerance | Callable[..., Bound]]
    sizes: Sequence[Any] = SIZES
    mutated: tuple[int, ...] = ()
    domain: Mapping[int, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.name}[{self.variant}]" if self.variant else self.name

    @property
    def reduces(self) -> bool:
        """Whether an output's element depends on more than the same element of the arguments."""
        return self.sizes is not SIZES or any(callable(tolerance) for tolerance in self.tolerances)

    @property
    def exact(self) -> bool:
        """Whether every instruction set must give the same bits."""
        return all(isinstance(tolerance, Bits) for tolerance in self.tolerances)


def normal(rng: np.random.Generator, *shape: int, scale: float = 3.0) -> np.ndarray:
    return (rng.standard_normal(shape) * scale).astype(np.float32)
