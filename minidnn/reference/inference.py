"""Products of stored weights: dense or sparse; float32, bfloat16 (as the uint16 of its bits) or bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minidnn.reference.activations import prelu
from minidnn.reference.matmul import activate
from minidnn.reference.normalization import layer_norm
from minidnn.reference.rows import softmax
from minidnn.reference.types import Array, Floats

Bits = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.int8]


def widen(w: Array) -> Floats:
    """Weights as float32: a bfloat16 is the upper 16 bits of a float32."""
    return (w.astype(np.uint32) << 16).view(np.float32) if w.dtype == np.uint16 else w


def columns_of(starts: Array) -> npt.NDArray[np.int64]:
    """The column of each stored weight."""
    counts: npt.NDArray[np.int64] = starts[1:].astype(np.int64) - starts[:-1]
    return np.repeat(np.arange(len(counts)), counts)


def densify(n_in: int, starts: Array, rows: Array, values: Array) -> Array:
    """The dense matrix (n_in, n_out); the entries of column j are ``starts[j]`` to ``starts[j + 1] - 1``."""
    w = np.zeros((n_in, len(starts) - 1), values.dtype)
    w[rows, columns_of(starts)] = values
    return w


def packed_matmul(x: Floats, w: Floats | Bits) -> Floats:
    """``y = x @ w``, with w float32 or bfloat16."""
    return x @ widen(w)


def byte_matmul(
    x: Floats, w: Bytes, inverse_scale: float, zero: int, corrections: Array, scales: Array
) -> npt.NDArray[np.float32]:
    """``q = clip(round(x * inverse_scale), -zero, 255 - zero) + zero; y = (q @ w - corrections) * scales``."""
    scaled = x.astype(np.float32) * np.float32(inverse_scale)
    q = np.rint(np.clip(np.where(np.isnan(scaled), np.float32(0), scaled), -zero, 255 - zero)).astype(np.int32) + zero
    return (q @ w.astype(np.int32) - corrections).astype(np.float32) * scales.astype(np.float32)


def sparse_matmul(x: Floats, starts: Array, rows: Array, values: Floats | Bits) -> Floats:
    """``y = x @ w`` with only the nonzero weights of w, column by column, as float32 or bfloat16."""
    return x @ densify(x.shape[1], starts, rows, widen(values))


def sparse_byte_matmul(
    x: Floats,
    starts: Array,
    rows: Array,
    values: Bytes,
    inverse_scale: float,
    zero: int,
    corrections: Array,
    scales: Array,
) -> npt.NDArray[np.float32]:
    """`byte_matmul` with only the nonzero weights."""
    return byte_matmul(x, densify(x.shape[1], starts, rows, values), inverse_scale, zero, corrections, scales)


class Engine:
    """The reference of the compiled engine: steps that read and write slots, run in order; see ``_core.pyi``."""

    def __init__(self, widths: list[int]) -> None:
        self.widths = widths
        self._steps: list[tuple[Any, ...]] = []
        self.nbytes = self.allocations = 0

    def __getattr__(self, name: str) -> Any:
        if name not in STEPS:
            raise AttributeError(name)
        return lambda *arguments: self._steps.append((STEPS[name], *arguments))

    def run(self, x: Floats, out: Array | None = None) -> Array:
        if x.ndim != 2 or x.shape[1] != self.widths[0]:
            raise ValueError(f"predict: x has shape {x.shape}, must be (batch, {self.widths[0]})")
        slots: dict[int, Array] = {0: x}
        last = 0
        for step, *arguments in self._steps:
            last = step(slots, *arguments)
        if out is None:
            return slots[last].copy()
        out[...] = slots[last]
        return out


def _product(matmul: Any, count: int) -> Any:
    """A step: a product that takes ``count`` arguments besides x, then bias and activation."""

    def step(slots: dict[int, Array], source: int, target: int, *arguments: Any) -> int:
        bias, activation, alpha = arguments[count:]
        slots[target] = activate(matmul(slots[source], *arguments[:count]) + bias, activation, alpha)
        return target

    return step


def _rowwise(formula: Any) -> Any:
    def step(slots: dict[int, Array], source: int, target: int, *arguments: Any) -> int:
        slots[target] = formula(slots[source], *arguments)
        return target

    return step


def _pairwise(formula: Any) -> Any:
    def step(slots: dict[int, Array], source: int, other: int, target: int) -> int:
        slots[target] = formula(slots[source], slots[other])
        return target

    return step


STEPS: dict[str, Any] = {
    "dense": _product(packed_matmul, 1),
    "byte_dense": _product(byte_matmul, 5),
    "sparse": _product(sparse_matmul, 3),
    "byte_sparse": _product(sparse_byte_matmul, 7),
    "activation": _rowwise(activate),
    "prelu": _rowwise(prelu),
    "softmax": _rowwise(softmax),
    "affine": _rowwise(lambda x, scale, shift: x * scale + shift),
    "layer_norm": _rowwise(lambda x, gamma, beta, eps: layer_norm(x, gamma, beta, eps)[0]),
    "add": _pairwise(np.add),
    "concat": _pairwise(lambda x, other: np.concatenate([x, other], axis=1)),
}
