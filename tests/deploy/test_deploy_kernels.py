"""Products with stored weights: every form gives the bits of the dense product."""

import numpy as np
import pytest
from kit.instruction_sets import ISAS

from minidnn import kernels, reference
from minidnn.reference.inference import densify

pytestmark = pytest.mark.compiled

BATCHES = (0, 1, 2, 4, 5, 15, 16, 17, 33, 64, 65, 200)
SHAPES = ((1, 1), (7, 5), (33, 17), (100, 130), (300, 70), (785, 257))


def sparse_weights(rng, n_in, n_out, density=0.2):
    w = rng.standard_normal((n_in, n_out)).astype(np.float32)
    w[rng.random((n_in, n_out)) >= density] = 0
    return w, *columns_of(w)


def columns_of(w):
    there = w.T != 0
    starts = np.concatenate([[0], there.sum(axis=1).cumsum()]).astype(np.uint32)
    return starts, np.nonzero(there)[1].astype(np.uint16), w.T[there]


def inputs(rng, batch, n_in):
    """Inputs of which a third are 0, as after a ReLU."""
    x = rng.standard_normal((batch, n_in)).astype(np.float32)
    x[x < -0.5] = 0
    return x


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_packed_and_sparse_products_have_the_bits_of_the_dense_product(isa, shape):
    kernels.use_isa(isa)
    rng = np.random.default_rng(1)
    w, starts, rows, values = sparse_weights(rng, *shape)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    rounded = densify(shape[0], starts, rows, (halves.astype(np.uint32) << 16).view(np.float32))
    for place, batch in enumerate(BATCHES):
        kernels.set_num_threads(1 + place % 3)
        x = inputs(rng, batch, shape[0])
        exact = kernels.matmul(x, w).tobytes()
        assert kernels.packed_matmul(x, w).tobytes() == exact
        assert kernels.sparse_matmul(x, starts, rows, values).tobytes() == exact
        exact = kernels.matmul(x, rounded).tobytes()
        assert kernels.packed_matmul(x, densify(shape[0], starts, rows, halves)).tobytes() == exact
        assert kernels.sparse_matmul(x, starts, rows, halves).tobytes() == exact


@pytest.mark.parametrize("isa", ISAS)
def test_a_row_has_the_same_bits_alone_and_in_a_batch(isa):
    kernels.use_isa(isa)
    rng = np.random.default_rng(2)
    w, *sparse = sparse_weights(rng, 300, 100)
    x = inputs(rng, 70, 300)
    together, apart = kernels.packed_matmul(x, w), [kernels.packed_matmul(row[np.newaxis], w) for row in x]
    assert np.concatenate(apart).tobytes() == together.tobytes()
    together = kernels.sparse_matmul(x, *sparse)
    assert (
        np.concatenate([kernels.sparse_matmul(row[np.newaxis], *sparse) for row in x]).tobytes() == together.tobytes()
    )


@pytest.mark.parametrize("isa", ISAS)
def test_skipped_zeros_change_at_most_the_sign_of_zero_where_products_underflow(isa):
    """If every product of a sum underflows to -0.0, the dense result has the sign of its last product, so the sparse
    result may be -0.0 and the dense one 0.0, which compare equal. All other results have the same bits."""
    kernels.use_isa(isa)
    w = np.zeros((40, 3), np.float32)
    w[0], w[39, 1] = -1e-30, 1.0
    x = np.full((1, 40), 1e-30, np.float32)
    dense, sparse = kernels.matmul(x, w), kernels.sparse_matmul(x, *columns_of(w))
    np.testing.assert_array_equal(dense, sparse)
    assert dense[0, 1].tobytes() == sparse[0, 1].tobytes() == x[0, 39].tobytes()


@pytest.mark.parametrize("isa", ISAS)
def test_nonfinite_inputs_reach_the_columns_that_use_them(isa):
    kernels.use_isa(isa)
    w = np.zeros((50, 2), np.float32)
    w[3, 0], w[4, 1] = 2.0, 1.0
    for batch in (1, 20):
        x = np.ones((batch, 50), np.float32)
        x[:, 3] = np.inf
        y = kernels.sparse_matmul(x, *columns_of(w))
        assert np.isinf(y[:, 0]).all()
        assert np.isnan(kernels.packed_matmul(x * np.nan, w)).all()


@pytest.mark.parametrize("isa", ISAS)
def test_sums_of_bytes_are_exact_at_their_limits(isa):
    kernels.use_isa(isa)
    n = 65535
    w = np.full((n, 3), 127, np.int8)
    w[:, 1] = -127
    w[::2, 2] = -127
    corrections, scales = np.zeros(3, np.int32), np.ones(3, np.float32)
    for batch in (1, 9):
        x = np.full((batch, n), 300.0, np.float32)
        y = kernels.byte_matmul(x, w, 1.0, 0, corrections, scales)
        exact = w.astype(np.int64).sum(axis=0) * 255
        np.testing.assert_array_equal(y, np.broadcast_to(exact.astype(np.float32), (batch, 3)))


def test_quantization_rounds_to_even_clips_and_maps_nan_to_zero():
    x = np.array([[0.5, 1.5, 2.5, -3.0, 400.0, -400.0, np.nan, np.inf, -np.inf, -0.5]], np.float32)
    identity = np.eye(10, dtype=np.int8)
    y = kernels.byte_matmul(x, identity, 1.0, 100, np.full(10, 100, np.int32), np.ones(10, np.float32))
    np.testing.assert_array_equal(y[0], [0, 2, 2, -3, 155, -100, 0, 155, -100, 0])


SPARSE = columns_of(np.eye(3, dtype=np.float32))


@pytest.mark.parametrize(
    ("starts", "rows", "values", "error", "message"),
    [
        ([0, 1, 3, 3], [0, 1, 2], [1, 1, 1], ValueError, "must ascend and be below 2"),
        ([0, 1, 3, 2], [0, 1], [1, 1], ValueError, "starts must not fall"),
        ([1, 1, 2, 3], [0, 1, 0], [1, 1, 1], ValueError, "starts must begin with 0"),
        ([0, 2, 2, 2], [1, 1], [1, 1], ValueError, "rows of column 0 must ascend"),
        ([0, 1, 2, 3], [0, 1], [1, 1], ValueError, r"rows has shape \(2,\), must be \(3,\)"),
        ([0, 1, 1, 1], [0], [1, 1], ValueError, r"values has shape \(2,\), must be \(1,\)"),
        ([], [], [], ValueError, r"starts has shape \(0,\)"),
    ],
)
def test_invalid_sparse_arrays_are_refused(starts, rows, values, error, message):
    arrays = np.array(starts, np.uint32), np.array(rows, np.uint16), np.array(values, np.float32)
    with pytest.raises(error, match=f"sparse_matmul: .*{message}"):
        kernels.sparse_matmul(np.ones((1, 2), np.float32), *arrays)


def test_types_are_checked():
    x, (starts, rows, values) = np.ones((1, 3), np.float32), SPARSE
    with pytest.raises(TypeError, match="sparse_matmul: starts must be a uint32 array, got an array of int64"):
        kernels.sparse_matmul(x, starts.astype(np.int64), rows, values)
    with pytest.raises(ValueError, match="sparse_matmul: values are int8, which need scales"):
        kernels.sparse_matmul(x, starts, rows, values.astype(np.int8))
    with pytest.raises(ValueError, match=r"packed_matmul: x has shape \(1, 3\), must be \(batch, 4\)"):
        kernels.packed_matmul(x, np.ones((4, 2), np.float32))
    with pytest.raises(TypeError, match=r"packed_matmul: w must be a float32 or .*, got an array of float64"):
        kernels.packed_matmul(x, np.ones((3, 2)))
    arguments = np.zeros(2, np.int32), np.ones(2, np.float32)
    w = np.ones((3, 2), np.int8)
    with pytest.raises(ValueError, match="byte_matmul: zero is 256"):
        kernels.byte_matmul(x, w, 1.0, 256, *arguments)
    with pytest.raises(ValueError, match="byte_matmul: inverse_scale must be positive"):
        kernels.byte_matmul(x, w, 0.0, 0, *arguments)
    with pytest.raises(ValueError, match="at most 65536"):
        kernels.byte_matmul(np.ones((1, 65537), np.float32), np.ones((65537, 2), np.int8), 1.0, 0, *arguments)


def test_the_reference_gives_the_same_bits_for_bytes():
    rng = np.random.default_rng(5)
    w, starts, rows, _ = sparse_weights(rng, 90, 40)
    q = (w * 40).clip(-127, 127).astype(np.int8)
    starts, rows, values = columns_of(q)
    arguments = (20.0, 100, rng.integers(-999, 999, 40).astype(np.int32), rng.random(40).astype(np.float32))
    for batch in (1, 3, 40):
        x = inputs(rng, batch, 90)
        truth = reference.byte_matmul(x, q, *arguments).tobytes()
        assert kernels.byte_matmul(x, q, *arguments).tobytes() == truth
        assert kernels.sparse_byte_matmul(x, starts, rows, values, *arguments).tobytes() == truth
