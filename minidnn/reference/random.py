"""Counter-based random bits: Philox 4x32-10 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011).

Random bits belong to elements, never to threads: bit pattern ``i`` of a draw depends only on the key
``(seed, stream, draw)`` and on ``i``.
"""

from __future__ import annotations

import numpy as np

from minidnn.reference.types import Array, Counter, Floats, Words

GROUP = 64
"""Elements come in groups of 64: 16 blocks of 4 words. Element ``16 * w + b`` of a group is word ``w`` of
block ``b``, so that a vector of 16 lanes computes 16 blocks and stores 4 whole vectors."""

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)


def philox(counter: Words, key: tuple[int, int]) -> Words:
    """Ten rounds of Philox on counters of shape (4, n), uint32; returns (4, n) random words."""
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(10):
        product0, product1 = c0 * _MULTIPLIER_0, c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (
            (product1 >> _HIGH) ^ c1 ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _HIGH) ^ c3 ^ np.uint64(k1),
            product0 & _LOW,
        )
        k0, k1 = (k0 + _WEYL_0) & 0xFFFFFFFF, (k1 + _WEYL_1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def next_draw(counter: Counter) -> Array:
    """Returns the number of the next draw, a uint64 array without axes; then ``counter += 1``."""
    draw = counter.copy()
    counter += np.uint64(1)
    return draw


def count(*counters: Counter) -> None:
    """``counter += 1`` for each counter."""
    for counter in counters:
        counter += np.uint64(1)


def random_bits(n: int, seed: int, stream: int, draw: int) -> Words:
    """The first ``n`` uint32 words of one draw.

    Key: the 64 bits of ``seed``. Counter: block number, low and high half of ``draw``, ``stream``.
    """
    blocks = np.arange(-(-n // GROUP) * 16, dtype=np.uint32)
    counter = np.empty((4, blocks.size), np.uint32)
    counter[0] = blocks
    counter[1], counter[2], counter[3] = draw & 0xFFFFFFFF, draw >> 32, stream
    words = philox(counter, (seed & 0xFFFFFFFF, seed >> 32))
    return np.ascontiguousarray(words.reshape(4, -1, 16).transpose(1, 0, 2)).reshape(-1)[:n]


def keep_threshold(rate: float) -> np.uint32:
    """An element is kept if its 32 random bits are at least this: with probability ``1 - rate``, to 2**-32."""
    return np.uint32(min(round(rate * 2.0**32), 2**32 - 1))


def dropout(x: Floats, rate: float, seed: int, stream: int, draw: int) -> Floats:
    """``y = x / (1 - rate)`` where kept, else 0 (Srivastava et al. 2014, inverted form). Its own backward."""
    kept = random_bits(x.size, seed, stream, draw) >= keep_threshold(rate)
    scale = x.dtype.type(1.0 / (1.0 - rate))
    return np.where(kept.reshape(x.shape), x * scale, x.dtype.type(0))


def bernoulli(p: Floats, seed: int, stream: int, draw: int) -> Floats:
    """``y = 1`` with probability p, else 0: it is 1 where ``u < p``, with u in [0, 1) from 24 random bits.

    p = 0 and p = 1 are exact, other p are rounded to 2**-24; NaN gives 0.
    """
    uniform = (random_bits(p.size, seed, stream, draw) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return (uniform.reshape(p.shape) < p).astype(p.dtype)


def rrelu_slopes(
    shape: tuple[int, ...], dtype: np.dtype, lower: float, upper: float, seed: int, stream: int, draw: int
) -> Floats:
    """One slope per element, uniform in [lower, upper), with 24 random bits."""
    n = int(np.prod(shape))
    uniform = (random_bits(n, seed, stream, draw) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    slopes = np.float32(lower) + np.float32(upper - lower) * uniform
    return slopes.astype(dtype, copy=False).reshape(shape)


def rrelu(x: Floats, lower: float, upper: float, seed: int, stream: int, draw: int) -> Floats:
    """``y = x`` where x > 0, else ``a * x`` with a random slope ``a`` for each element (Xu et al. 2015)."""
    return np.where(x > 0, x, rrelu_slopes(x.shape, x.dtype, lower, upper, seed, stream, draw) * x)


def rrelu_backward(dy: Floats, x: Floats, lower: float, upper: float, seed: int, stream: int, draw: int) -> Floats:
    """``dx = dy`` where x > 0, else ``a * dy`` with the slopes of the forward pass, computed again."""
    return np.where(x > 0, dy, rrelu_slopes(x.shape, x.dtype, lower, upper, seed, stream, draw) * dy)


def permutation(n: int, seed: int, stream: int, draw: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A permutation of ``arange(n)`` (Fisher-Yates): position ``i`` swapped with ``floor((i + 1) * bits / 2**64)``.

    Position ``i`` takes words ``2 * i`` (low) and ``2 * i + 1`` (high) of the draw; the bias is below ``n / 2**64``.
    """
    order = list(range(n))
    words = random_bits(2 * n, seed, stream, draw).astype(np.uint64)
    bits = (words[0::2] | (words[1::2] << _HIGH)).tolist()
    for i in range(n - 1, 0, -1):
        j = ((i + 1) * bits[i]) >> 64
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)
