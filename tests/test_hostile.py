"""Every function that takes arrays, on arrays that are wrong in every way: a right answer or a clear error, never harm."""

import zlib

import numpy as np
import pytest
from cases import KERNELS
from hostile import attacks, bits, outcome, plain

from minidnn import kernels

pytestmark = [pytest.mark.compiled, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

SMALL = 3


def arguments_of(row):
    """Small ones, none empty."""
    size = SMALL if not isinstance(row.sizes[0], tuple) else (SMALL, 4, 5)[: len(row.sizes[0])]
    return row.make(np.random.default_rng(zlib.crc32(str(row).encode())), size)


def copies(arguments):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


@pytest.mark.parametrize("row", KERNELS, ids=str)
def test_kernels(row):
    """The compiled ones themselves, which nothing shields."""
    arguments, options = arguments_of(row)
    kernel = getattr(kernels._core, row.name)
    for place, argument in enumerate(arguments):
        if not isinstance(argument, np.ndarray):
            continue
        for name, wrong, same in attacks(argument):
            given = copies(arguments)
            given[place] = wrong
            before = [bits(a) if isinstance(a, np.ndarray) and a.size < 2**20 else None for a in given]
            tidy = [plain(a) for a in given] if same or isinstance(wrong, np.ndarray) else None
            kind, value = outcome(kernel, *given, **options)
            if kind == "error":
                text = str(value)
                assert row.name in text or isinstance(value, MemoryError), f"{place}: {name}: {text}"
                untouched = range(len(given))
            else:
                assert tidy is not None, f"{place}: {name} was taken"
                assert bits(kernel(*tidy, **options)) == bits(value), f"{place}: {name}"
                untouched = [i for i in range(len(given)) if i not in row.mutated]
                for i in row.mutated:  # the argument itself was changed, not a copy of it
                    assert bits(plain(given[i])) == bits(tidy[i]), f"{place}: {name}"
            for i in untouched:
                if before[i] is not None:
                    assert bits(given[i]) == before[i], f"{place}: {name} changed argument {i}"


@pytest.mark.parametrize("row", [row for row in KERNELS if row.mutated], ids=str)
def test_what_is_written_may_not_overlap_what_is_read(row):
    arguments, options = arguments_of(row)
    places = [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray)]
    for i in row.mutated:
        for j in places:
            if i == j:
                continue
            shared = np.ones(2 * SMALL, np.float32)
            given = copies(arguments)
            given[i], given[j] = shared[:SMALL], shared[SMALL - 1 : 2 * SMALL - 1]
            with pytest.raises(ValueError, match=f"{row.name}: .* overlap in memory"):
                getattr(kernels._core, row.name)(*given, **options)
            assert (shared == 1).all()


NUMBERS = [float("nan"), float("inf"), -1, 0, 2**31, 2**63, 2**64, 10**400, True, None, "1", 1 + 2j, [1], object()]


@pytest.mark.parametrize("row", KERNELS, ids=str)
def test_numbers_beside_the_arrays(row):
    arguments, options = arguments_of(row)
    kernel = getattr(kernels._core, row.name)
    for number in NUMBERS:
        for place, argument in enumerate(arguments):
            if not isinstance(argument, np.ndarray):
                if row.name == "random_bits" and place == 0 and number == 2**31:
                    continue  # which it would do
                given = copies(arguments)
                given[place] = number
                outcome(kernel, *given, **options)
        for name in options:
            outcome(kernel, *copies(arguments), **(options | {name: number}))
