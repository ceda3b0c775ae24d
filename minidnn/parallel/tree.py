"""A sum whose order is a fixed binary tree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minidnn.reference.types import Array


class Tree:
    """The sum of arrays that come one after the other: ``((a0 + a1) + (a2 + a3)) + ...``.

    Its order depends on the number of arrays alone. So the sums over 1/2, 1/4, ... of a power of two of them are parts
    of the tree over all, whoever computes them. There is memory for ``1 + log2(count)`` arrays.

    Args:
        size: the length of each array.
        dtype: of the arrays, which is that of the sum.
    """

    def __init__(self, size: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._size, self._dtype = size, np.dtype(dtype)
        self._sums: list[tuple[int, Array]] = []  # of how many leaves, the oldest first
        self._free: list[Array] = []

    def add(self, array: Array) -> None:
        """Takes the next array, (size,), which stays as it is."""
        place, adds = self.place()
        if adds:
            np.add(place, array, out=place)
        else:
            place[...] = array
        self.placed()

    def place(self) -> tuple[Array, bool]:
        """Where the next array is to be put, and whether it is to be added to what is there; `placed` must follow.

        So what has its numbers in several arrays need not copy them first.
        """
        if self._sums and self._sums[-1][0] == 1:
            return self._sums[-1][1], True
        array = self.memory()
        self._sums.append((0, array))
        return array, False

    def placed(self) -> None:
        """The array was put where `place` said."""
        count, array = self._sums.pop()
        count += 1
        while self._sums and self._sums[-1][0] == count:
            _, left = self._sums.pop()
            np.add(left, array, out=left)
            self._free.append(array)
            array, count = left, 2 * count
        self._sums.append((count, array))

    def memory(self) -> Array:
        """An array of the tree's size, for its owner's use; `free` gives it back."""
        return self._free.pop() if self._free else np.zeros(self._size, self._dtype)

    def total(self) -> Array:
        """The sum; the tree is empty again, and the sum's memory is used for the next one once it is given to `free`.

        Raises:
            ValueError: the number of arrays is not a power of two.
        """
        if len(self._sums) != 1:
            count = sum(leaves for leaves, _ in self._sums)
            raise ValueError(f"Tree: {count} arrays were added, must be a power of two")
        return self._sums.pop()[1]

    def clear(self) -> None:
        """Forgets the arrays that were added."""
        self._free += [array for _, array in self._sums]
        self._sums = []

    def free(self, array: Array) -> None:
        """Gives back the memory of a sum."""
        self._free.append(array)
