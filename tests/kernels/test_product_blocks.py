"""Products whose sizes cross the boundaries of tiles, panels and cache blocks: every element is one chain over k."""

import numpy as np
import pytest
from kit.instruction_sets import ISAS

from minidnn import kernels

pytestmark = pytest.mark.compiled


SIZES = [
    (1, 1030, 70), (2, 1030, 260), (5, 300, 130), (16, 600, 260),  # few rows: B streamed in place
    (50, 300, 50), (31, 200, 49), (30, 70, 17), (25, 130, 24), (26, 64, 25),  # the last columns in a wider tile
    (61, 1030, 150), (110, 1030, 141), (49, 260, 1040),  # k is cut; several blocks of rows and of columns
    (140, 300, 90), (19, 129, 80),  # A packed where it is a transpose
]  # fmt: skip
"""(m, k, n)."""


def factors(kind, m, k, n):
    rng = np.random.default_rng(m * k + n)
    a = rng.standard_normal((k, m), dtype=np.float32).T if kind[0] == "t" else rng.standard_normal((m, k), np.float32)
    b = rng.standard_normal((n, k), dtype=np.float32).T if kind[1] == "t" else rng.standard_normal((k, n), np.float32)
    return a, b


@pytest.mark.parametrize("kind", ["nn", "tn", "nt", "tt"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("isa", ISAS)
def test_an_element_is_the_same_chain_in_every_block(isa, size, kind):
    """Compared with float64, within the bound of a float32 sum, and with rows and columns multiplied alone."""
    kernels.use_isa(isa)
    a, b = factors(kind, *size)
    kernels.set_num_threads(1)
    whole = kernels.matmul(a, b)
    for threads in (2, 3):
        kernels.set_num_threads(threads)
        assert kernels.matmul(a, b).tobytes() == whole.tobytes(), f"{threads} threads"
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = size[1] * np.finfo(np.float32).eps * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
    assert (np.abs(whole - exact) <= bound).all()
    for i in {0, size[0] // 2, size[0] - 1}:
        assert kernels.matmul(np.ascontiguousarray(a[i : i + 1]), b).tobytes() == whole[i].tobytes()
    for j in {0, size[2] // 2, size[2] - 1}:
        column = kernels.matmul(a, np.ascontiguousarray(b[:, j : j + 1]))
        assert column.tobytes() == np.ascontiguousarray(whole[:, j : j + 1]).tobytes()


@pytest.mark.parametrize("kind", ["nn", "tn", "nt", "tt"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_instruction_sets_that_fuse_leave_the_same_bytes(size, kind):
    """Their tiles, panels and blocks differ."""
    fusing = [isa for isa in ISAS if isa != "baseline"]
    if len(fusing) < 2:
        pytest.skip("needs two instruction sets that fuse")
    a, b = factors(kind, *size)
    results = set()
    for isa in fusing:
        kernels.use_isa(isa)
        results.add(kernels.matmul(a, b).tobytes())
    assert len(results) == 1
