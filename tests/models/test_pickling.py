"""Pickled and copied objects behave like the original."""

import copy
import pickle

import numpy as np
import pytest

import minidnn
from minidnn import Generator, deploy, kernels, nn, optim, training
from minidnn.reference import __all__ as REFERENCE

WAYS = [lambda thing: pickle.loads(pickle.dumps(thing)), copy.deepcopy]
rng = np.random.default_rng(5)
X, Y = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 3, 40)
KINDS = [getattr(optim, name) for name in optim.__all__]
OPTIMIZERS = [
    kind
    for kind in KINDS
    if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
]


def network(seed=1):
    r = Generator(seed)
    return nn.Sequential(
        nn.Dense(6, 8, "silu", rng=r), nn.BatchNorm(8), nn.RReLU(rng=Generator(seed, 1)),
        nn.Dropout(0.5, rng=Generator(seed, 2)), nn.Dense(8, 3, rng=r),
    )  # fmt: skip


def train(model, optimizer, epochs=2):
    options = {"epochs": epochs, "batch_size": 10, "rng": Generator(9), "progress": False}
    training.fit(model, X, Y, optimizer=optimizer, **options)
    return [array.tobytes() for array in model.state_dict().values()]


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy"])
@pytest.mark.parametrize(
    "kind", [kind for kind in OPTIMIZERS if kind is not optim.Optimizer], ids=lambda kind: kind.__name__
)
def test_copies_of_a_model_and_its_optimizer_train_alike(kind, way):
    model = network()
    optimizer = kind(model.parameters(), lr=0.01)
    train(model, optimizer)
    model_again, optimizer_again = way((model, optimizer))
    assert optimizer_again.state_dict().keys() == optimizer.state_dict().keys()
    assert train(model_again, optimizer_again) == train(model, optimizer)


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy"])
def test_a_copied_generator_draws_the_same(way):
    generator = Generator(3, 4)
    generator.uniform((5,))
    again = way(generator)
    assert (again.seed, again.stream, again.draw) == (3, 4, 1)
    assert np.array_equal(again.normal((7,)), generator.normal((7,))) and again.draw == generator.draw == 2


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("options", [{}, {"dtype": "int8", "calibration": X}], ids=["float32", "int8"])
def test_a_copied_compiled_model_predicts_the_same(options, way):
    compiled = deploy.compile(network().eval(), **options)
    again = way(compiled)
    assert np.array_equal(again.predict(X), compiled.predict(X)) and again.nbytes == compiled.nbytes


@pytest.mark.parametrize("name", sorted(name for name in REFERENCE if hasattr(kernels, name)))
def test_a_pickled_kernel_is_the_same_object(name):
    kernel = getattr(kernels, name)
    assert pickle.loads(pickle.dumps(kernel)) is kernel


def test_histories_and_data_sets():
    minidnn.manual_seed(0)
    dataset = minidnn.data.ArrayDataset(X, Y)
    model = network()
    history = training.fit(
        model, dataset, optimizer=optim.Adam(model.parameters()), epochs=1, batch_size=10, progress=False
    )
    for way in WAYS:
        assert way(history)["loss"] == history["loss"] and np.array_equal(way(dataset).inputs, dataset.inputs)
