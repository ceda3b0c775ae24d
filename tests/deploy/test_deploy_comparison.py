"""The reported differences and accuracies of compiled models, against independent counts."""

import copy

import numpy as np
import pytest

import minidnn
from minidnn import data, deploy, nn
from minidnn.deploy.comparison import wilson

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 12)).astype(np.float32)


def network(n_out=5, activation="elu", last=None):
    minidnn.manual_seed(3)
    return nn.Sequential(nn.Dense(12, 40, activation, "he_normal"), nn.Dense(40, n_out, last))


def outputs(model):
    return minidnn.training.predict(model, X)


CHANGES = {
    "pruned": (lambda model: deploy.prune(model, fraction=0.9), {}),
    "pruned, int8": (lambda model: deploy.prune(model, fraction=0.9), {"dtype": "int8"}),
    "swapped": (lambda model: None, {"swap": {"elu": "leaky_relu"}}),
    "swapped, bfloat16": (lambda model: None, {"swap": {"elu": "relu"}, "dtype": "bfloat16"}),
    "int8": (lambda model: None, {"dtype": "int8"}),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("n_out", [1, 2, 5])
def test_the_report_compares_with_the_original_model(name, n_out):
    change, options = CHANGES[name]
    model, labels = network(n_out), RNG.integers(0, max(n_out, 2), 400)
    original = copy.deepcopy(model)
    change(model)
    compiled = deploy.compile(model, calibration=X, validation=(X, labels), original=original, **options)
    wanted, got = outputs(original), compiled.predict(X)
    before, after = ((y[:, 0] > 0).astype(int) if n_out == 1 else y.argmax(axis=1) for y in (wanted, got))
    assert compiled.loss.changed == pytest.approx(np.mean(before != after), abs=1e-9)
    assert compiled.loss.largest == pytest.approx(np.abs(wanted - got).max(), rel=1e-4, abs=1e-6)
    assert compiled.loss.mean == pytest.approx(np.abs(wanted - got).mean(), rel=1e-4, abs=1e-6)
    right = [np.count_nonzero(classes == labels) for classes in (before, after)]
    assert compiled.validation == (400, *right, np.count_nonzero(before != after))
    assert compiled.validation.points == pytest.approx((right[0] - right[1]) / 4)
    if name != "int8":
        assert compiled.loss.changed > 0


def test_one_output_that_is_a_probability_has_its_threshold_at_a_half():
    model, labels = network(1, last="sigmoid"), RNG.integers(0, 2, (400, 1)).astype(np.float32)
    original = copy.deepcopy(model)
    model[1].bias.data += 0.5
    compiled = deploy.compile(model, calibration=X, validation=(X, labels), original=original)
    before, after = outputs(original)[:, 0] > 0.5, outputs(model)[:, 0] > 0.5
    assert compiled.validation.changed == np.count_nonzero(before != after) > 0
    assert compiled.validation.after == np.count_nonzero(after == labels[:, 0])


def test_a_data_set_validates_and_the_file_keeps_the_report(tmp_path):
    labels = RNG.integers(0, 5, 400)
    compiled = deploy.compile(network(), calibration=X, validation=data.ArrayDataset(X, labels), dtype="int8")
    compiled.save(tmp_path / "a.mdnn")
    again = deploy.load(tmp_path / "a.mdnn")
    assert again.loss == compiled.loss and again.validation == compiled.validation
    assert again.describe() == compiled.describe()
    assert "400 calibration examples" in again.describe() and "accuracy on 400 validation examples" in again.describe()


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        ((X, np.full(400, 5)), ValueError, "labels from 5 to 5, must be in [0, 5)"),
        ((X, np.full(400, -1)), ValueError, "labels from -1 to -1, must be in [0, 5)"),
        ((X, np.zeros(399, int)), ValueError, "labels of shape (399,), must be one for each of 400 examples"),
        ((X[:0], np.zeros(0, int)), ValueError, "labels of shape (0,)"),
        ((X, np.zeros(400)), TypeError, "labels of float64, must be integers"),
        ((X[:, :3], np.zeros(400, int)), ValueError, "validation has shape (400, 3), must be (batch, 12)"),
        (X, TypeError, "validation is a ndarray, must be a data set or a pair (x, y)"),
    ],
)
def test_labels_that_do_not_fit(validation, error, message):
    with pytest.raises(error) as caught:
        deploy.compile(network(), validation=validation)
    assert message in str(caught.value)


def test_an_original_of_other_sizes_is_refused():
    with pytest.raises(ValueError, match="original maps 12 inputs to 3 outputs, must be 12 to 5"):
        deploy.compile(network(), original=network(3))
