"""A sum whose order is a fixed binary tree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minidnn.reference.types import Array


class Tree:
    """The sum of arrays that are added one after the other: ``((a0 + a1) + (a2 + a3)) + ...``.

    The order of additions depends only on the number of arrays. For a power of two of them, the sums over the halves,
    quarters, ... are subtrees, which different processes can compute. Uses memory for ``1 + log2(count)`` arrays.

    Args:
        size: the length of each array.
        dtype: the dtype of the arrays and of the sum.
    """

    def __init__(self, size: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._size, self._dtype = size, np.dtype(dtype)
        self._sums: list[tuple[int, Array]] = []  # (number of leaves, sum), the oldest first
        self._free: list[Array] = []

    def add(self, array: Array) -> None:
        """Adds the next array, (size,), which is not changed."""
        place, adds = self.place()
        if adds:
            np.add(place, array, out=place)
        else:
            place[...] = array
        self.placed()

    def place(self) -> tuple[Array, bool]:
        """Returns memory for the next array, and whether to add to its content instead of overwriting it.

        `placed` must be called afterwards. A caller with its numbers in several arrays need not concatenate them first.
        """
        if self._sums and self._sums[-1][0] == 1:
            return self._sums[-1][1], True
        array = self.memory()
        self._sums.append((0, array))
        return array, False

    def placed(self) -> None:
        """Tells the tree that the array was written to the memory that `place` returned."""
        count, array = self._sums.pop()
        count += 1
        while self._sums and self._sums[-1][0] == count:
            _, left = self._sums.pop()
            np.add(left, array, out=left)
            self._free.append(array)
            array, count = left, 2 * count
        self._sums.append((count, array))

    def memory(self) -> Array:
        """Returns an array of the tree's size for the caller's use; return it with `free`."""
        return self._free.pop() if self._free else np.zeros(self._size, self._dtype)

    def total(self) -> Array:
        """Returns the sum and empties the tree; the memory of the sum is reused after it is passed to `free`.

        Raises:
            ValueError: the number of arrays is not a power of two.
        """
        if len(self._sums) != 1:
            count = sum(leaves for leaves, _ in self._sums)
            raise ValueError(f"Tree: {count} arrays were added, must be a power of two")
        return self._sums.pop()[1]

    def clear(self) -> None:
        """Discards the arrays that were added."""
        self._free += [array for _, array in self._sums]
        self._sums = []

    def free(self, array: Array) -> None:
        """Returns the memory of a sum to the tree."""
        self._free.append(array)
