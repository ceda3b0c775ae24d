"""Five tasks against scikit-learn's perceptron at equal settings, over five seeds."""

import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score, f1_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

import minidnn
from minidnn import data, nn, optim, training

SEEDS = range(5)
HIDDEN, EPOCHS, BATCH, RATE = 32, 40, 32, 0.005


def standardized(x, y, seed=0, test=0.25):
    """Training and test part; mean and deviation are those of the training part."""
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test))
    mean, std = x[:cut].mean(axis=0), x[:cut].std(axis=0)
    x = (x - mean) / np.where(std == 0, 1, std)
    return x[:cut], y[:cut], x[cut:], y[cut:]


def unit(y):
    return (y - y.mean()) / y.std()


def unbalanced():
    x, y = datasets.make_classification(
        1200, 12, n_informative=6, n_classes=3, weights=[0.9, 0.06, 0.04], class_sep=1.0, random_state=0
    )
    return standardized(x, y)


# name -> (data, outputs, loss, options of fit, score(outputs, targets), how much the means may differ)
TASKS = {
    "diabetes": (
        lambda: standardized(*(lambda d: (d.data, unit(d.target)))(datasets.load_diabetes())),
        1, nn.mean_squared_error, {}, lambda o, y: r2_score(y, o.ravel()), 0.08,
    ),
    "Friedman": (
        lambda: standardized(*(lambda x, y: (x, unit(y)))(*datasets.make_friedman1(600, noise=0.5, random_state=0))),
        1, nn.mean_squared_error, {}, lambda o, y: r2_score(y, o.ravel()), 0.04,
    ),
    "breast cancer": (
        lambda: standardized(*datasets.load_breast_cancer(return_X_y=True)),
        1, nn.sigmoid_cross_entropy, {}, lambda o, y: np.mean((o.ravel() > 0) == y), 0.03,
    ),
    "several labels": (
        lambda: standardized(*datasets.make_multilabel_classification(600, 20, n_classes=5, random_state=0)),
        5, nn.sigmoid_cross_entropy, {}, lambda o, y: f1_score(y, o > 0, average="macro"), 0.05,
    ),
    "unbalanced classes": (
        unbalanced, 3, nn.softmax_cross_entropy, {"class_weight": "balanced"},
        lambda o, y: balanced_accuracy_score(y, o.argmax(axis=1)), 0.08,
    ),
}  # fmt: skip


def ours(task, seed, **more):
    make, outputs, loss, options, score, _ = TASKS[task]
    x, y, x_test, y_test = make()
    minidnn.manual_seed(seed)
    model = nn.Sequential(
        nn.Dense(x.shape[1], HIDDEN, "relu", kernel_initializer="glorot_uniform"), nn.Dense(HIDDEN, outputs)
    )
    history = training.fit(
        model, x, y, loss=loss, optimizer=optim.Adam(model.parameters(), RATE), epochs=EPOCHS, batch_size=BATCH,
        progress=False, **(options | more),
    )  # fmt: skip
    return score(training.predict(model, x_test), y_test), history, model, (x_test, y_test)


def theirs(task, seed):
    make, _, loss, options, score, _ = TASKS[task]
    x, y, x_test, y_test = make()
    kind = MLPRegressor if loss is nn.mean_squared_error else MLPClassifier
    estimator = kind(
        hidden_layer_sizes=(HIDDEN,), alpha=0, batch_size=BATCH, learning_rate_init=RATE, max_iter=EPOCHS,
        random_state=seed, n_iter_no_change=EPOCHS,
    )  # fmt: skip
    weights = {}
    if options:
        counts = np.bincount(y)
        weights["sample_weight"] = (len(y) / (len(counts) * counts))[y]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(x, y, **weights)
    if loss is nn.mean_squared_error:
        return score(estimator.predict(x_test), y_test)
    chances = estimator.predict_proba(x_test)
    if chances.shape[1] == 2 and y.ndim == 1:
        chances = chances[:, 1]
    return score(chances - 0.5 if loss is nn.sigmoid_cross_entropy else chances, y_test)


@pytest.mark.parametrize("task", TASKS)
def test_as_good_as_scikit_learn(task, caplog):
    tolerance = TASKS[task][-1]
    with caplog.at_level("INFO", "minidnn"):
        mine = [ours(task, seed)[0] for seed in SEEDS]
    assert not caplog.records  # captured from end to end
    assert abs(np.mean(mine) - np.mean([theirs(task, seed) for seed in SEEDS])) < tolerance


def test_weights_of_classes_find_the_rare_ones():
    with_weights, without = (
        np.mean([ours("unbalanced classes", seed, class_weight=weight)[0] for seed in range(3)])
        for weight in ("balanced", None)
    )
    assert with_weights > without + 0.03


def test_a_report_agrees_with_the_score():
    score, _, model, held_out = ours("unbalanced classes", 0)
    report = training.report(model, data.ArrayDataset(*held_out, classes=["common", "rare", "rarer"]))
    assert np.mean(report.values[:, 1]) == pytest.approx(score)
    assert "rarer" in str(report)
