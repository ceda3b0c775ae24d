"""A compiled model allocates no memory after the first batch of a size."""

import platform
import tracemalloc

import numpy as np
import pytest
from kit import preload

import minidnn
from minidnn import deploy, kernels, nn

HINDRANCE = preload.hindrance() or (platform.libc_ver()[0] != "glibc" and "the shim needs the GNU C library")


@pytest.mark.compiled
@pytest.mark.skipif(bool(HINDRANCE), reason=str(HINDRANCE))
def test_no_call_of_malloc_in_any_form_at_any_batch_size():
    report = preload.preloaded("mallocs", "allocations.py", threads=2)
    assert report["seven arrays"] >= 7  # the shim counts
    assert any(report["first"].values())
    assert len(report["later"]) == 36 and set(report["later"].values()) == {0}


@pytest.mark.compiled
@pytest.mark.parametrize("threads", [1, 2])
def test_no_allocation_after_the_first_batch_of_a_size(threads):
    kernels.set_num_threads(threads)
    compiled = deploy.compile(nn.Sequential(nn.Dense(20, 33, "relu"), nn.Dense(33, 4)), sparse=True)
    for batch in (1, 16, 300):
        x, out = minidnn.Generator(1).normal((batch, 20)), np.empty((batch, 4), np.float32)
        compiled.predict(x, out=out)
        before = compiled._engine.allocations
        tracemalloc.start()
        for _ in range(20):
            assert compiled.predict(x, out=out) is out
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert compiled._engine.allocations == before
        assert kept < 1000 and peak < 2000  # a few Python numbers; NumPy reports every array to tracemalloc
