"""Sums of selected rows of a matrix, per bag.

``indices`` is a matrix with one bag per row, or a vector with ``offsets``: bag b is
``indices[offsets[b] : offsets[b + 1]]``, the last bag extends to the end. Entries equal to ``padding`` are ignored.
"""

from __future__ import annotations

import numpy as np

from minidnn.reference.types import Array, Floats, Labels


def embedding_bag(weight: Floats, indices: Labels, offsets: Labels | None, padding: int, mean: bool) -> Floats:
    """``y[b]`` = the sum of ``weight[i]`` over the entries i of bag b, or their mean; 0 for an empty bag."""
    rows, bag, bags = _entries("embedding_bag", indices, offsets, padding, len(weight))
    y = np.zeros((bags, weight.shape[1]), weight.dtype)
    np.add.at(y, bag, weight[rows])
    return y / _counts(bag, bags, weight) if mean else y


def embedding_bag_backward(
    dy: Floats, indices: Labels, offsets: Labels | None, padding: int, mean: bool, rows: int
) -> Floats:
    """``dw[i]`` = the sum over the entries i of ``dy[b]``, or of ``dy[b]`` divided by the count of bag b."""
    places, bag, bags = _entries("embedding_bag_backward", indices, offsets, padding, rows)
    if dy.ndim != 2 or len(dy) != bags:
        raise ValueError(f"embedding_bag_backward: dy has shape {dy.shape}, there are {bags} bags")
    dw = np.zeros((rows, dy.shape[1]), dy.dtype)
    shares = dy / _counts(bag, bags, dy) if mean else dy
    np.add.at(dw, places, shares[bag])
    return dw


def _counts(bag: Array, bags: int, like: Floats) -> Floats:
    return np.maximum(np.bincount(bag, minlength=bags), 1).astype(like.dtype)[:, np.newaxis]


def _entries(op: str, indices: Labels, offsets: Labels | None, padding: int, rows: int) -> tuple[Array, Array, int]:
    """The entries without padding, the bag of each, and the number of bags."""
    if indices.ndim != (2 if offsets is None else 1):
        raise ValueError(f"{op}: indices has shape {indices.shape}, must have 2 axes, or 1 and offsets")
    if offsets is None:
        bags = len(indices)
        sizes = np.full(bags, indices.shape[1])
    else:
        bags = len(offsets)
        sizes = np.diff(offsets, append=indices.size)
        if (bags and (offsets[0] != 0 or sizes.min() < 0)) or (not bags and indices.size):
            raise ValueError(f"{op}: offsets must start at 0, never fall, and not exceed the {indices.size} indices")
    bag = np.repeat(np.arange(bags), sizes)
    entries = indices.reshape(-1)
    counts = entries != padding
    entries, bag = entries[counts], bag[counts]
    if entries.size and not (entries.min() >= 0 and entries.max() < rows):
        raise ValueError(f"{op}: indices must be in [0, {rows}), got {entries.min()} to {entries.max()}")
    return entries, bag, bags
