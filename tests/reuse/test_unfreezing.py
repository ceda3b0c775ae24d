"""Gradual unfreezing: which layers are trained when, and at which learning rate."""

import numpy as np
import pytest

import minidnn
from minidnn import data, optim, recipes, reuse, training

X = np.random.default_rng(3).standard_normal((20, 8)).astype(np.float32)
DATA = data.ArrayDataset(X, np.arange(20) % 4)


@pytest.fixture
def model():
    minidnn.manual_seed(1)
    return recipes.default_network(8, [7, 6, 5], 4, dropout=0.2)


def watch(model, callback, epochs=6, valid=None, optimizer=None):
    """The number and the names of kernels that require a gradient in each epoch."""
    seen = []

    class Spy(training.Callback):
        def on_step_end(self, run):
            seen.append([path[:7] for path, p in model.named_parameters() if p.ndim == 2 and p.requires_grad])

    optimizer = optimizer or optim.SGD(optim.by_depth(model, 0.1, 0.5), 0.1, momentum=0.9)
    training.fit(
        model,
        DATA,
        valid=valid,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=20,
        callbacks=[callback, Spy()],
        progress=False,
    )
    return [len(trained) for trained in seen], seen


@pytest.mark.parametrize(
    ("options", "trained", "thaws"),
    [
        ({"epochs": 1}, [1, 2, 3, 4, 4, 4], [1, 2, 3]),
        ({"epochs": 2}, [1, 1, 2, 2, 3, 3], [2, 4, 6]),  # a resumed run may continue after the last epoch
        ({"epochs": 2, "layers": 2}, [1, 1, 3, 3, 4, 4], [2, 4]),
        ({"epochs": 1, "top": 2, "keep": 1}, [2, 3, 3, 3, 3, 3], [1]),
    ],
)
def test_layers_are_thawed_from_the_top(model, options, trained, thaws):
    callback = reuse.GradualUnfreezing(**options)
    counts, seen = watch(model, callback)
    assert counts == trained
    order = ["hidden1", "hidden2", "hidden3", "outputs"]
    assert all(epoch == order[-len(epoch) :] for epoch in seen)
    assert callback.thaws == thaws


def test_layers_are_thawed_when_the_loss_stops_improving(model):
    callback = reuse.GradualUnfreezing(patience=2, min_delta=100.0)  # the first value stays the best
    assert watch(model, callback, epochs=8, valid=DATA)[0] == [1, 1, 1, 2, 2, 3, 3, 4]
    improving = reuse.GradualUnfreezing(patience=7)
    assert watch(model, improving, epochs=6, valid=DATA)[0] == [1] * 6


def test_a_thawed_layer_has_the_learning_rate_of_its_depth(model):
    optimizer = optim.SGD(optim.by_depth(model, 0.1, 0.5), 0.1, momentum=0.9)
    watch(model, reuse.GradualUnfreezing(epochs=1, keep=1), optimizer=optimizer)
    assert [group.lr for group in optimizer.groups] == [0.0125, 0.025, 0.05, 0.1]
    updates = [group.tracks[0].updates for group in optimizer.groups]
    assert updates == [0, 4, 5, 6] and not optimizer.groups[0].tracks[0].slots


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "give either epochs or patience, got epochs=None and patience=None"),
        ({"epochs": 1, "patience": 1}, ValueError, "give either epochs or patience"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"epochs": 1, "top": 0}, ValueError, "top must be at least 1"),
        ({"epochs": 1, "layers": 1.5}, TypeError, "layers must be an integer"),
        ({"epochs": 1, "keep": -1}, ValueError, "keep must be at least 1"),
        ({"epochs": 1, "top": 3, "keep": 2}, ValueError, "the model has 4 layers with kernels, top=3 and keep=2"),
        ({"patience": 1}, ValueError, "GradualUnfreezing: monitor is 'valid_loss', which needs a validation set"),
    ],
)
def test_invalid_options_are_refused(model, options, error, message):
    with pytest.raises(error, match=message):
        watch(model, reuse.GradualUnfreezing(**options))
