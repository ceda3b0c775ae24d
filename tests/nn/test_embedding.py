"""The embedding-bag layer."""

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, nn, ops, optim, training
from minidnn.data import ArrayDataset

RNG = np.random.default_rng(3)
BAGS = RNG.integers(0, 7, (12, 5))


def bag(**options):
    minidnn.manual_seed(2)
    return nn.EmbeddingBag(7, 4, **options)


def counts(x, n):
    return np.stack([np.bincount(row, minlength=n) for row in x]).astype(np.float32)


def test_a_sum_is_a_dense_layer_on_counts():
    layer = bag(mode="sum", kernel_initializer="glorot_uniform")
    np.testing.assert_allclose(layer(BAGS).data, counts(BAGS, 7) @ layer.kernel.data, rtol=1e-5, atol=1e-6)


def test_padding_is_ignored():
    layer = bag(padding=0)
    y = layer(np.array([[3, 5, 0, 0], [2, 0, 2, 2], [0, 0, 0, 0]])).data
    w = layer.kernel.data
    np.testing.assert_allclose(y, [(w[3] + w[5]) / 2, w[2], np.zeros(4)], rtol=1e-6)


def test_offsets_say_the_same_as_rows():
    layer = bag()
    flat = layer(BAGS.ravel(), offsets=np.arange(12) * 5)
    assert flat.data.tobytes() == layer(BAGS).data.tobytes()
    sizes = layer([4, 4, 6], offsets=[0, 0, 1]).data
    np.testing.assert_allclose(sizes[0], np.zeros(4))
    np.testing.assert_allclose(sizes[2], (layer.kernel.data[4] + layer.kernel.data[6]) / 2, rtol=1e-6)


def test_words_that_do_not_occur_get_no_gradient():
    layer = bag(padding=1)
    ops.sum(layer([[1, 2, 2], [4, 1, 1]])).backward()
    assert np.flatnonzero(layer.kernel.grad.any(axis=1)).tolist() == [2, 4]
    np.testing.assert_allclose(layer.kernel.grad[2], 1.0)


@pytest.mark.compiled
@pytest.mark.parametrize("offsets", [False, True])
def test_a_captured_step_leaves_the_same_bytes(offsets):
    def run(captured):
        layer = bag(padding=0)
        model = nn.Sequential(layer, nn.Dense(4, 3))
        optimizer = optim.Adam(model.parameters(), 0.01)

        def step(x, starts, y):
            optimizer.zero_grad()
            hidden = layer(x, offsets=starts) if offsets else layer(x)
            loss = nn.softmax_cross_entropy(model[1](hidden), y)
            loss.backward()
            optimizer.step()
            return loss

        call = training.Captured(step, strict=True) if captured else step
        rng = np.random.default_rng(1)
        for _ in range(4):
            x = rng.integers(0, 7, 30 if offsets else (6, 5))
            starts = np.array([0, *np.sort(rng.integers(0, 31, 5))])
            call(x, starts, rng.integers(0, 3, 6))
        return [array.tobytes() for array in model.state_dict().values()]

    assert run(True) == run(False)


@pytest.mark.compiled
def test_a_replay_checks_its_numbers():
    layer = bag()
    step = training.Captured(lambda x: layer(x), strict=True)
    step(BAGS)
    with pytest.raises(ValueError, match=r"indices holds 7, must be in \[0, 7\)"):
        step(BAGS + 1)


def test_fit_learns_from_bags():
    minidnn.manual_seed(0)
    x = RNG.integers(1, 7, (400, 6))
    y = (np.isin(x, (1, 2, 3)).sum(axis=1) > 3).astype(np.int64)
    model = nn.Sequential(bag(padding=0), nn.Dense(4, 2))
    history = training.fit(
        model,
        ArrayDataset(x, y),
        optimizer=optim.Adam(model.parameters(), 0.05),
        epochs=15,
        batch_size=20,
        valid=ArrayDataset(x, y),
        progress=False,
    )
    assert history["valid_accuracy"][-1] > 0.97


@pytest.mark.parametrize("make", [lambda: bag(mode="max"), lambda: nn.EmbeddingBag(0, 3)])
def test_invalid_arguments_are_refused(make):
    with pytest.raises(ValueError, match="EmbeddingBag: "):
        make()


@pytest.mark.parametrize(
    ("x", "offsets", "error", "message"),
    [
        (np.zeros((2, 3), np.float32), None, TypeError, "EmbeddingBag: x is float32, must be integers"),
        ([1, 2], None, ValueError, r"x has shape \(2,\), must be \(bags, width\)"),
        ([[1, 2]], [0], ValueError, r"x has shape \(1, 2\), must be \(indices,\)"),
        ([[1, 7]], None, ValueError, r"7"),
        ([[1, -1]], None, ValueError, r"-1"),
        ([1, 2], [1], ValueError, "start at 0"),
        ([1, 2], [0, 2, 1], ValueError, "never fall"),
        ([1, 2], [0, 3], ValueError, "not exceed the 2 indices"),
        ([1, 2], [0.0], TypeError, "integers"),
        ([1, 2], np.zeros(0, int), ValueError, "2 indices"),
    ],
)
@pytest.mark.parametrize("backend", ["reference", pytest.param("compiled", marks=pytest.mark.compiled)])
def test_invalid_bags(x, offsets, error, message, backend):
    with minidnn.kernels.use_backend(backend), pytest.raises(error, match=message):
        bag()(x, offsets)


def test_errors_name_the_invalid_argument():
    with pytest.raises(ValueError, match=r"^embedding: indices holds 9, must be in \[0, 9\)"):
        nn.Embedding(9, 4)(np.array([[1, 9]]))
    with pytest.raises(ValueError, match="embedding_bag: weight has shape"):
        ops.embedding_bag(Tensor(np.zeros(3, np.float32)), [[0]])
    with pytest.raises(ValueError, match="mode must be 'sum' or 'mean', got 'max'"):
        ops.embedding_bag(Tensor(np.zeros((3, 1), np.float32)), [[0]], mode="max")


@pytest.mark.compiled
def test_rows_without_columns_take_no_time():
    nothing = np.empty((2**59, 0), np.int64)
    y = minidnn.kernels.embedding_bag(np.empty((3, 0), np.float32), nothing, None, -1, False)
    assert y.shape == (2**59, 0)
    dw = minidnn.kernels.embedding_bag_backward(y, nothing, None, -1, True, 2**60)
    assert dw.shape == (2**60, 0)
