"""Indices that another thread changes between their check and their use: an error or a result, never a crash."""

import threading

import numpy as np
import pytest
from kit.instruction_sets import ISAS

from minidnn import kernels, nn, pipeline

pytestmark = pytest.mark.compiled

ROWS, CALLS = 30000, 60
GOOD, FAR, NEGATIVE = 1, 10**12, -(10**12)
X = np.random.default_rng(0).standard_normal((ROWS, 10)).astype(np.float32)
WEIGHT, DY = X[:50].copy(), X.copy()
BYTES, LABELS = np.zeros((50, 10), np.uint8), np.zeros(50, np.int64)


def indices():
    return np.full(ROWS, GOOD, np.int64)


def offsets():
    return np.arange(ROWS, dtype=np.int64)


CALLED = {
    "softmax_cross_entropy": (indices, lambda i: kernels.softmax_cross_entropy(X, i)),
    "gather, bytes": (indices, lambda i: pipeline.gather(BYTES, i)),
    "gather, floats": (indices, lambda i: pipeline.gather(X, i)),
    "gather, labels": (indices, lambda i: pipeline.gather_labels(LABELS, i)),
    "accuracy": (indices, lambda i: nn.accuracy(X, i)),
    "embedding_bag": (indices, lambda i: kernels.embedding_bag(WEIGHT, i.reshape(-1, 1), None, -1, False)),
    "embedding_bag, mean": (indices, lambda i: kernels.embedding_bag(WEIGHT, i.reshape(-1, 1), None, -1, True)),
    "embedding_bag, offsets": (offsets, lambda o: kernels.embedding_bag(WEIGHT, o * 0 + GOOD, o, -1, False)),
    "embedding_bag_backward": (
        indices,
        lambda i: kernels.embedding_bag_backward(DY, i.reshape(-1, 1), None, -1, False, 50),
    ),
    "embedding_bag_backward, offsets": (
        offsets,
        lambda o: kernels.embedding_bag_backward(DY, np.full(ROWS, GOOD), o, -1, True, 50),
    ),
}


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("isa", ISAS)
def test_indices_that_change_meanwhile(name, isa):
    make, call = CALLED[name]
    kernels.use_isa(isa)
    shared, good, done = make(), make(), threading.Event()

    def change():
        while not done.is_set():
            for wrong in (FAR, NEGATIVE):
                shared[:] = wrong
                shared[:] = good

    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(CALLS):
            try:
                call(shared)
            except (ValueError, IndexError) as error:
                assert "must be in [0, " in str(error) or "offsets[" in str(error) or "changed meanwhile" in str(error)
    finally:
        done.set()
        other.join()


@pytest.mark.parametrize("wrong", [50, FAR, -2, NEGATIVE])
@pytest.mark.parametrize("place", [0, 1, ROWS // 2, ROWS - 1])
def test_wrong_indices_are_named(wrong, place):
    for name in ("softmax_cross_entropy", "embedding_bag", "embedding_bag_backward"):
        i = indices()
        i[place] = wrong
        with pytest.raises(ValueError, match=f"{name}: .*{wrong}.*must be in"):
            CALLED[name][1](i)
