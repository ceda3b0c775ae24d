"""float64, NumPy's default, in a user-written training loop: an array is converted once, a Tensor is refused."""

import pickle

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, nn, ops, optim

rng = np.random.default_rng(2)
X, Y = rng.normal(size=(40, 5)), rng.integers(0, 3, 40)


def network():
    minidnn.manual_seed(1)
    return nn.Sequential(nn.Dense(5, 8, "relu"), nn.BatchNorm(8), nn.LayerNorm(8), nn.Dense(8, 3))


def step(model, x, optimizer):
    loss = nn.softmax_cross_entropy(model(x), Y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_an_array_is_as_its_float32(kind):
    results = []
    for x in (X, X.astype(np.float32)):
        model = network()
        optimizer = kind(model.parameters(), 0.1)
        losses = [step(model, x, optimizer).item() for _ in range(3)]
        results.append((losses, *model.state_dict().values()))
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("make", [network, lambda: nn.Dense(5, 2), lambda: nn.BatchNorm(5), lambda: nn.LayerNorm(5)])
def test_a_tensor_is_refused_with_the_remedy(make):
    model = make()
    before = model.state_dict()
    with pytest.raises(TypeError, match=r"x is a Tensor of float64, must be float32.*x\.astype\(np\.float32\)"):
        model(Tensor(X))
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())


def test_a_module_of_float64_or_without_parameters_takes_it():
    dense = nn.Dense(5, 2)
    for parameter in dense.parameters():
        parameter.data = parameter.data.astype(np.float64)
    assert dense(X).dtype == np.float64
    assert np.array_equal(dense(pickle.loads(pickle.dumps(X))).data, dense(X).data)  # its dtype is an object of its own
    assert nn.Softmax()(X).dtype == np.float64


def test_a_gradient_has_the_type_of_its_leaf():
    kernel = Tensor(rng.normal(size=(5, 2)).astype(np.float32), requires_grad=True)
    for _ in range(2):  # the second is added to the first
        ops.sum(Tensor(X) @ kernel).backward()
        assert kernel.grad.dtype == np.float32
    assert np.allclose(kernel.grad, 2 * np.repeat(X.sum(axis=0)[:, None], 2, axis=1), rtol=1e-6)
