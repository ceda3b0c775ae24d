"""The loops over examples: compiled against reference, bit for bit."""

import math
from collections import Counter

import numpy as np
import pytest

import minidnn
from minidnn import pipeline
from minidnn.data import ArrayDataset, Subset
from minidnn.pipeline import _pipeline
from minidnn.pipeline import reference as reference_pipeline

pytestmark = pytest.mark.compiled

rng = np.random.default_rng(2)
SIZES = [0, 1, 15, 16, 17, 31, 33, 1000]


def test_both_have_the_same_functions():
    compiled = {
        name for name in dir(_pipeline) if callable(getattr(_pipeline, name)) and name in reference_pipeline.__all__
    }
    assert compiled == set(reference_pipeline.__all__)


@pytest.mark.parametrize("n", [*SIZES, 65, 100_003])
def test_permutation(n):
    key = (0x0123456789ABCDEF, 3, (1 << 40) + 5)
    order = _pipeline.permutation(n, *key)
    assert np.array_equal(order, reference_pipeline.permutation(n, *key))
    assert np.array_equal(np.sort(order), np.arange(n))


def test_permutations_are_uniform():
    runs = 24 * 1000
    counts = Counter(tuple(_pipeline.permutation(4, 1, 2, draw).tolist()) for draw in range(runs))
    assert len(counts) == 24
    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts.values())
    assert abs(chi_square - 23) < 6 * math.sqrt(2 * 23)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("n_in", [0, 1, 15, 16, 17, 784])
def test_gathers(n, n_in):
    order = rng.integers(0, n, 2 * n)
    for examples, function in (
        (rng.integers(0, 256, (n, n_in), np.uint8), "gather_bytes"),
        (rng.standard_normal((n, n_in)).astype(np.float32), "gather_floats"),
        (rng.integers(-(2**63), 2**63 - 1, (n, n_in)), "gather_integers"),
    ):
        got = getattr(_pipeline, function)(examples, order)
        truth = getattr(reference_pipeline, function)(examples, order)
        assert got.dtype == truth.dtype == (np.int64 if examples.dtype == np.int64 else np.float32)
        assert got.tobytes() == truth.tobytes()
    labels = rng.integers(0, 10, n)
    assert np.array_equal(_pipeline.gather_labels(labels, order), labels[order])


def test_every_byte_is_the_nearest_float_to_its_share():
    x = pipeline.gather(np.arange(256, dtype=np.uint8)[:, np.newaxis], np.arange(256))[:, 0]
    assert x.tolist() == [np.float32(np.float64(byte) / 255) for byte in range(256)]
    assert x[0] == 0.0 and x[255] == 1.0


@pytest.mark.parametrize("classes", [1, 2, 10, 33])
def test_is_largest(classes):
    values = np.array([0, -0.0, 1, 1, 2, np.nan, np.inf, -np.inf, 1e-45], np.float32)
    rows, labels = values[rng.integers(0, len(values), (2000, classes))], rng.integers(0, classes, 2000)
    for dtype in (np.float32, np.float64):
        found = pipeline.is_largest(rows.astype(dtype), labels)
        pairs = zip(rows, labels, strict=True)
        one_by_one = [np.argmax(row) == label and np.isfinite(row[label]) for row, label in pairs]
        assert found.dtype == bool and found.tolist() == one_by_one
    assert found.sum() < 2000 and (classes > 10 or found.any())
    assert _pipeline.is_largest(rows[:0], labels[:0]).shape == (0,)


@pytest.mark.parametrize("loops", [_pipeline, reference_pipeline])
@pytest.mark.parametrize("label", [-1, 3, 2**62])
def test_labels_out_of_range_are_refused(loops, label):
    with pytest.raises(IndexError, match=rf"labels\[4\] is {label}, must be in \[0, 3\)"):
        loops.is_largest(np.zeros((6, 3), np.float32), np.array([0, 0, 0, 0, label, 0]))


@pytest.mark.parametrize("place", [0, 1, 6])
@pytest.mark.parametrize("value", [-1, 5, 2**62, -(2**62)])
@pytest.mark.parametrize("loops", [_pipeline, reference_pipeline])
def test_an_order_out_of_range_is_refused(loops, place, value):
    order = np.zeros(7, np.int64)
    order[place] = value
    for call in (
        lambda: loops.gather_bytes(np.zeros((5, 3), np.uint8), order),
        lambda: loops.gather_floats(np.zeros((5, 3), np.float32), order),
        lambda: loops.gather_integers(np.zeros((5, 3), np.int64), order),
        lambda: loops.gather_labels(np.zeros(5, np.int64), order),
    ):
        with pytest.raises(IndexError, match=rf"order\[{place}\] is {value}, must be in \[0, 5\)"):
            call()


def shifted(array):
    """The same numbers at an address one byte past their alignment."""
    moved = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def test_unaligned_numbers_are_refused_and_unaligned_rows_are_copied():
    order, labels = np.array([2, 0]), np.arange(3)
    images, maps = np.zeros((1, 2, 2, 1), np.float32), np.zeros((1, 2, 3), np.float32)
    for name, call in {
        "philox: counter": lambda: _pipeline.philox(shifted(np.zeros((4, 2), np.uint32)), (1, 2)),
        "gather: order": lambda: _pipeline.gather_bytes(np.zeros((3, 2), np.uint8), shifted(order)),
        "gather: labels": lambda: _pipeline.gather_labels(shifted(labels), order),
        "example_bits: examples": lambda: _pipeline.example_bits(shifted(order), 4, 1, 2, 3, 0),
        "resample: images": lambda: _pipeline.resample(shifted(images), maps, images[:0].reshape(0, 2, 2, 2), 0.0),
        "resample: maps": lambda: _pipeline.resample(images, shifted(maps), images[:0].reshape(0, 2, 2, 2), 0.0),
    }.items():
        with pytest.raises(ValueError, match=f"{name} is not aligned in memory"):
            call()
    for rows in (rng.standard_normal((3, 5)).astype(np.float32), rng.integers(0, 9, (3, 5))):
        assert pipeline.gather(shifted(rows), order).tobytes() == rows[order].tobytes()
    dataset = ArrayDataset(np.zeros((3, 2), np.uint8), shifted(labels))
    assert dataset.y.tolist() == [0, 1, 2] and Subset(dataset, shifted(order)).y.tolist() == [2, 0]


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="examples is float64, must be uint8, float32 or int64"):
        pipeline.gather(np.zeros((5, 3)), np.zeros(2, np.int64))


def test_use_backend_selects_the_reference():
    examples, order = rng.integers(0, 256, (9, 5), np.uint8), np.arange(9)
    with minidnn.use_backend("reference"):
        assert np.array_equal(pipeline.gather(examples, order), _pipeline.gather_bytes(examples, order))
