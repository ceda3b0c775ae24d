"""Makes corrupted instances from real ones: replaces a word of a sentence, or swaps two patches of an image.

Like an augmentation, a corruption is a function of (instances, their numbers, key): the same instance and key give the
same bytes in any batch and order, so it can be the ``augment`` of `training.fit`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn.checks import an_array, positive_integer
from minidnn.data.text import FIRST, PADDING
from minidnn.data.types import Augmentation, Indices, Key
from minidnn.pipeline import example_bits
from minidnn.random import Generator, default_generator
from minidnn.reference.types import Array, Words

PLACE = 128  # of the random words; augmentations of the same key count from 0
TRIES = 32


def corrupt(x: Any, how: Augmentation, rng: Generator | None = None) -> Any:
    """Corrupted versions of the instances in x: a new array of its shape and dtype.

    ::

        bad = data.corrupt(numbers, data.replace_words(numbers))
        bad = data.corrupt(mnist.train.x, data.swap_patches((28, 28)))

    Args:
        x: (n, ...).
        how: `replace_words`, `swap_patches`, or a function of (instances, int64 numbers of them, key).
        rng: one draw gives the key. None: the default generator.
    """
    return how(x, np.arange(len(x)), (rng or default_generator()).next_key())


class replace_words:
    """Replaces a word of each sentence by another word (Collobert & Weston 2008).

    The new word always differs from the old one; it is drawn in proportion to the words' frequencies in ``text``.

    Args:
        text: word numbers, such as the sentences themselves; 0 and 1 (padding, unknown) are ignored.
        count: how many words of a sentence are replaced; all words of a shorter one.

    Raises:
        TypeError: text does not hold integers.
        ValueError: count < 1, fewer than two different words.
    """

    def __init__(self, text: Any, count: int = 1) -> None:
        numbers = np.asarray(text)
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"replace_words: text must hold integers, got an array of {numbers.dtype}")
        self.words: Indices = np.sort(numbers[numbers >= FIRST].astype(np.int64))
        if not self.words.size or self.words[0] == self.words[-1]:
            raise ValueError("replace_words: text must have at least two different words")
        self.count = positive_integer("replace_words", "count", count)

    def __repr__(self) -> str:
        return f"replace_words({self.words.size} words, count={self.count})"

    def __call__(self, x: Indices, examples: Indices, key: Key) -> Indices:
        """x is int64 (n, width), padded with 0."""
        an_array("replace_words", "x", x)
        if x.dtype != np.int64 or x.ndim != 2:
            raise TypeError(f"replace_words: x is {x.dtype} of shape {x.shape}, must be int64 (n, width)")
        n, width = x.shape
        lots = example_bits(examples, 2 * width, key, PLACE)
        order = np.argsort(np.where(x == PADDING, 2**32, lots[:, :width].astype(np.int64)), axis=1, kind="stable")
        rows, chosen = np.arange(n)[:, np.newaxis], order[:, : self.count]
        old = x[rows, chosen]
        # The old word occupies [low, high) of the sorted words; the draw skips that range.
        low, high = (np.searchsorted(self.words, old, side) for side in ("left", "right"))
        drawn = _below(self.words.size - (high - low), lots[rows, width + chosen])
        new = self.words[np.where(drawn < low, drawn, drawn + (high - low))]
        bad = x.copy()
        bad[rows, chosen] = np.where(old == PADDING, PADDING, new)
        return bad


class swap_patches:
    """Swaps two different patches of each image: every part is real, the whole is not.

    Patches are counted from the upper left corner; a remainder at the edges stays. An image stays unchanged if 32 tries
    draw no two patches that differ.

    Args:
        image_shape: (h, w), or (h, w, c).
        size: the height and width of a patch.
        count: how many swaps.

    Raises:
        ValueError: size or count < 1, an image of fewer than two patches.
    """

    def __init__(self, image_shape: tuple[int, ...], size: int = 7, count: int = 1) -> None:
        if len(image_shape) not in (2, 3):
            raise ValueError(f"swap_patches: image_shape must be (h, w) or (h, w, c), got {image_shape}")
        h, w, c = (positive_integer("swap_patches", "image_shape", side) for side in (*image_shape, 1)[:3])
        self.image_shape = (h, w, c)
        self.size = positive_integer("swap_patches", "size", size)
        self.count = positive_integer("swap_patches", "count", count)
        if (h // size) * (w // size) < 2:
            raise ValueError(f"swap_patches: an image of {h} by {w} has fewer than two patches of size {size}")

    def __repr__(self) -> str:
        return f"swap_patches({self.image_shape}, size={self.size}, count={self.count})"

    def __call__(self, x: Array, examples: Indices, key: Key) -> Array:
        """x is (n, ...), of any dtype."""
        an_array("swap_patches", "x", x)
        h, w, c = self.image_shape
        n, size = len(x), self.size
        if x.size != n * h * w * c:
            raise ValueError(f"swap_patches: x has shape {x.shape}, images have {self.image_shape}")
        high, wide = h // size, w // size
        images = x.copy().reshape(n, h, w, c)
        whole = images[:, : high * size, : wide * size].reshape(n, high, size, wide, size, c)
        patches = whole.swapaxes(2, 3).reshape(n, high * wide, size * size * c)
        for swap in range(self.count):
            _swap(patches, example_bits(examples, 2 * TRIES, key, PLACE + swap))
        whole = patches.reshape(n, high, wide, size, size, c).swapaxes(2, 3)
        images[:, : high * size, : wide * size] = whole.reshape(n, high * size, wide * size, c)
        return images.reshape(x.shape)


def _swap(patches: Array, lots: Words) -> None:
    """Swaps two rows of each of the n matrices: the first drawn pair whose contents differ."""
    left, count = np.arange(len(patches)), patches.shape[1]
    for first, second in zip(lots.T[::2], lots.T[1::2], strict=True):
        a = _below(np.full(left.size, count), first[left])
        b = (a + 1 + _below(np.full(left.size, count - 1), second[left])) % count
        differ = (patches[left, a] != patches[left, b]).any(axis=1)
        row, i, j = left[differ], a[differ], b[differ]
        patches[row, i], patches[row, j] = patches[row, j], patches[row, i]
        left = left[~differ]
        if not left.size:
            return


def _below(count: Indices, lots: Words) -> Indices:
    """Uniform in [0, count), from 32 random bits each."""
    return ((count.astype(np.uint64) * lots.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
