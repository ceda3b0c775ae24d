"""The parts of the lesson on transfer."""

import numpy as np
import pytest

import minidnn
from minidnn import data, optim
from minidnn.lessons.reuse import transfer

MNIST = data.load_mnist()


def test_five_digits_and_few_of_each():
    upper = transfer.five_digits(MNIST.valid, 5)
    assert len(upper) == (MNIST.valid.y >= 5).sum() and set(upper.y.tolist()) == {0, 1, 2, 3, 4}
    few = transfer.few(upper, 7, seed=3)
    assert np.bincount(few.y).tolist() == [7] * 5
    rows = {row.tobytes(): label for row, label in zip(upper.x, upper.y, strict=True)}
    assert all(rows[row.tobytes()] == label for row, label in zip(few.x, few.y, strict=True))
    assert len({row.tobytes() for row in few.x}) == 35
    assert transfer.few(upper, 7, seed=4).x.tobytes() != few.x.tobytes()


def test_each_rotation_is_a_class():
    lower = transfer.five_digits(MNIST.valid, 0)[:10]
    turned = transfer.turned(lower)
    assert len(turned) == 40 and turned.y[30:].tolist() == (lower.y + 15).tolist()
    image, quarter = (turned.x[i].reshape(28, 28) for i in (3, 13))
    assert image.tobytes() == lower.x[3].tobytes()
    assert all(quarter[27 - j, i] == image[i, j] for i in range(28) for j in range(28))


@pytest.mark.compiled
def test_the_cache_does_not_change_a_lesson():
    minidnn.manual_seed(0)
    lower, train = transfer.network(20), transfer.few(transfer.five_digits(MNIST.train, 5), 6, 0)
    states = []
    for method in (transfer.frozen, transfer.frozen_cached):
        minidnn.manual_seed(1)
        states.append({path: value.tobytes() for path, value in method(lower, train, 2).state_dict().items()})
    assert states[0] == states[1]
    assert states[0]["hidden2.kernel"] == lower.layers[1].kernel.data.tobytes()
    assert states[0]["hidden3.kernel"] != lower.layers[2].kernel.data.tobytes()


def test_gradual_unfreezing_reaches_the_reused_layers():
    minidnn.manual_seed(0)
    lower, train = transfer.network(20), transfer.few(transfer.five_digits(MNIST.train, 5), 4, 0)
    model = transfer.thawed_gradually(lower, train, 4)
    assert not any(np.array_equal(model.layers[i].kernel.data, lower.layers[i].kernel.data) for i in range(2))
    assert all(param.requires_grad for param in model.parameters())
    assert len(optim.by_depth(model, 0.1)) == 4
