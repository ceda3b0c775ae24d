"""The search for the number of layers to reuse and to thaw."""

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, recipes, reuse, training
from minidnn.reuse import DepthSearch, DepthTrial

MNIST = data.load_mnist()
TRAIN, VALID = MNIST.train[:90], MNIST.valid[:60]
OPTIONS = {"optimizer": lambda m: optim.Adam(optim.by_depth(m, 0.01), 0.01), "epochs": 2, "batch_size": 30}


@pytest.fixture
def model():
    minidnn.manual_seed(1)
    return recipes.default_network(784, [9, 8], 3, dropout=0.2)


def test_every_pair_is_tried_and_the_model_is_unchanged(model):
    reuse.freeze(model, "hidden1")
    before, state = {path: value.tobytes() for path, value in model.state_dict().items()}, minidnn.get_rng_state()
    search = reuse.search_depth(model, TRAIN, VALID, outputs=10, seeds=(0, 1), **OPTIONS)
    assert [(t.reused, t.thawed) for t in search.trials] == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    assert all(len(trial.accuracies) == 2 and trial.seconds > 0 for trial in search.trials)
    assert {path: value.tobytes() for path, value in model.state_dict().items()} == before
    assert minidnn.get_rng_state() == state and model.layers[1].frozen


@pytest.mark.compiled
def test_a_trial_equals_the_same_steps_by_hand(model):
    search = reuse.search_depth(model, TRAIN, VALID, outputs=10, seeds=(5,), reuse=[2], thaw=[1], **OPTIONS)
    minidnn.manual_seed(5)
    lower = reuse.copy_lower(model, "hidden2")
    by_hand = nn.Sequential(*lower, nn.Dense(8, 10, name="outputs"))
    reuse.freeze(by_hand.layers[: len(lower) - 4])
    history = training.fit(
        by_hand,
        TRAIN,
        valid=VALID,
        optimizer=OPTIONS["optimizer"](by_hand),
        epochs=2,
        batch_size=30,
        progress=False,
    )
    assert search.trials[0].accuracies == [max(history["valid_accuracy"])]


RESULT = DepthSearch(
    [
        DepthTrial(0, 0, [0.5, 0.6, 0.55], 2.0),
        DepthTrial(1, 0, [0.8, 0.7, 0.9], 1.0),
        DepthTrial(1, 1, [0.8, 0.8, 0.8], 1.5),
    ]
)


def test_among_equal_trials_the_one_with_fewest_trained_layers_is_best():
    assert RESULT.best is RESULT.trials[1]
    lines = str(RESULT).splitlines()
    assert lines[0].split() == ["reused", "thawed", "accuracy", "lowest", "highest", "seconds"]
    assert lines[1].split() == ["0", "0", "0.5500", "0.5000", "0.6000", "2.00"]
    assert lines[2].split() == ["1", "0", "0.8000", "0.7000", "0.9000", "1.00", "best"]


def test_the_plot_shows_the_numbers(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        RESULT.plot(tmp_path / "depth.svg")
    picture = (tmp_path / "depth.svg").read_text()
    assert picture.count("0.8000") == 2 and "0.5500" in picture and "layers reused" in picture


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"reuse": [3]}, ValueError, "reuse has 3, the model has 2 layers below its top one"),
        ({"thaw": [-1]}, ValueError, "search_depth: thaw must be at least 1"),
        ({"reuse": [0], "thaw": [1]}, ValueError, "nothing to try"),
        ({"seeds": ()}, ValueError, "nothing to try"),
        ({"outputs": 0}, ValueError, "outputs must be at least 1"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
    ],
)
def test_invalid_arguments_are_refused(model, change, error, message):
    with pytest.raises(error, match=message):
        reuse.search_depth(model, TRAIN, VALID, **{"outputs": 10, **OPTIONS, **change})


def test_layers_that_cannot_be_rebuilt_are_refused():
    own = nn.Sequential(nn.Dense(784, 5, np.tanh, name="hidden1"), nn.Dense(5, 10, name="outputs"))
    with pytest.raises(ValueError, match=r"hidden1.* has no name in a file"):
        reuse.search_depth(own, TRAIN, VALID, **OPTIONS)
    with pytest.raises(TypeError, match="model must be a Sequential, got Dense"):
        reuse.search_depth(own.layers[0], TRAIN, VALID, **OPTIONS)
    top = nn.Sequential(nn.Dense(784, 10), nn.Residual(nn.Dense(10, 10)))
    with pytest.raises(ValueError, match=r"outputs=10 needs an nn\.Dense at the top"):
        reuse.search_depth(top, TRAIN, VALID, outputs=10, **OPTIONS)
