"""Real data on the command line, compared with scikit-learn's perceptron at the same settings over five seeds."""

import csv
import json
import warnings

import numpy as np
import pytest

from minidnn.cli import main

datasets = pytest.importorskip("sklearn.datasets")
class_weight = pytest.importorskip("sklearn.utils.class_weight")
pytestmark = pytest.mark.usefixtures("blank_pictures")
SEEDS = range(5)
HIDDEN, RATE, BATCH, EPOCHS = 16, 0.02, 32, 40
LABELS = "l0,l1,l2,l3"


def table(x, y, names):
    """Two files of the same columns, three quarters and one quarter of the examples."""
    test = np.random.default_rng(0).permutation(len(y)) < len(y) // 4
    for name, part in (("train.csv", ~test), ("test.csv", test)):
        with open(name, "w", newline="") as file:
            columns = [f"x{i}" for i in range(x.shape[1])]
            targets = ["target"] if y.ndim == 1 else LABELS.split(",")
            rows = ([*row, *np.atleast_1d(label)] for row, label in zip(x[part], y[part], strict=True))
            csv.writer(file).writerows([[*columns, *targets], *rows])
    assert names is None or set(names) == set(y)
    return x[~test], y[~test], x[test], y[test]


def breast_cancer():
    data = datasets.load_breast_cancer()
    return data.data, data.target_names[data.target], tuple(data.target_names)


def unbalanced():
    x, y = datasets.make_classification(600, 8, n_informative=5, weights=[0.92], class_sep=0.7, random_state=3)
    return x, np.array(["common", "rare"])[y], ("common", "rare")


def diabetes():
    return *datasets.load_diabetes(return_X_y=True), None


def friedman():
    return *datasets.make_friedman1(400, noise=1.0, random_state=1), None


def several_labels():
    return datasets.make_multilabel_classification(600, 20, n_classes=4, random_state=0)


def ours(capsys, seed, *options):
    settings = (
        "--optimizer",
        "momentum",
        "--hidden",
        HIDDEN,
        "--lr",
        RATE,
        "--batch-size",
        BATCH,
        "--epochs",
        EPOCHS,
        "--seed",
        seed,
    )
    arguments = ["train", "--data", "train.csv", "--valid", "test.csv", *settings, *options]
    assert main([str(argument) for argument in arguments]) == 0
    capsys.readouterr()
    assert main(["evaluate", "runs/train/model.safetensors", "test.csv", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def theirs(kind, seed, x, y, tested, **options):
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    scale = StandardScaler().fit(x)
    model = (MLPClassifier if kind == "classes" else MLPRegressor)(
        hidden_layer_sizes=(HIDDEN,), solver="sgd", momentum=0.9, nesterovs_momentum=False, learning_rate_init=RATE,
        alpha=0, batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=seed,
    )  # fmt: skip
    mean, std = (0, 1) if kind == "classes" else (y.mean(), y.std())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence
        model.fit(scale.transform(x), y if kind == "classes" else (y - mean) / std, **options)
    made = model.predict(scale.transform(tested))
    return made if kind == "classes" else made * std + mean


def agree(a, b, at_least):
    """Asserts that means over the seeds differ by less than three standard errors or `at_least`."""
    a, b = np.array(a), np.array(b)
    assert abs(a.mean() - b.mean()) < max(3 * np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a)), at_least), (a, b)


def test_two_classes(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y, tested, truth = table(*breast_cancer())
    accuracies = [ours(capsys, seed)["accuracy"] for seed in SEEDS]
    agree(accuracies, [(theirs("classes", seed, x, y, tested) == truth).mean() for seed in SEEDS], 0.01)
    assert np.mean(accuracies) > 0.93


@pytest.mark.parametrize("make", [diabetes, friedman])
def test_numbers(capsys, tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    x, y, tested, truth = table(*make())
    errors = [ours(capsys, seed, "--task", "regression")["rmse"] for seed in SEEDS]
    agree(
        errors, [np.sqrt(((theirs("numbers", s, x, y, tested) - truth) ** 2).mean()) for s in SEEDS], 0.03 * truth.std()
    )
    assert np.mean(errors) < 0.9 * truth.std()


def test_several_labels(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y, tested, truth = table(*several_labels(), None)
    options = ("--label", LABELS, "--task", "classification")
    accuracies = [ours(capsys, seed, *options)["accuracy"] for seed in SEEDS]
    agree(accuracies, [(theirs("classes", seed, x, y, tested) == truth).mean() for seed in SEEDS], 0.015)
    assert np.mean(accuracies) > 0.8


def test_the_defaults_suit_columns_of_many_sizes(capsys, tmp_path, monkeypatch):
    """Lognormal inputs, whose largest values are many deviations from the mean."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = np.exp(5 * rng.normal(size=(400, 4)))
    table(x, x[:, 0] ** 0.3, None)
    assert main(["train", "--data", "train.csv", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["config"]["optimizer"] == "adam" and len(document["epochs"]) == 20
    options = ("--optimizer", "momentum", "--epochs", "5", "--lr", "10")
    assert main(["train", "--data", "train.csv", "--output", "other", *options]) == 1
    assert "standard deviations from its mean: replace it by its logarithm, or" in capsys.readouterr().err


def test_rare_classes_count_as_much_with_balanced_weights(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y, tested, truth = table(*unbalanced())

    def predicted(seed, *options):
        ours(capsys, seed, *options)
        assert main(["predict", "runs/train/model.safetensors", "test.csv", "--json"]) == 0
        return np.array([row["class"] for row in json.loads(capsys.readouterr().out)])

    def recalls(answers):
        return np.array(
            [np.mean([answer[truth == name] == name for answer in answers], 1) for name in np.unique(truth)]
        )

    plain = recalls([predicted(seed) for seed in SEEDS])
    balanced = recalls([predicted(seed, "--class-weight", "balanced") for seed in SEEDS])
    assert balanced[1].mean() > plain[1].mean() + 0.1 and len(tested) == 150
    weight = class_weight.compute_sample_weight("balanced", y)
    others = recalls([theirs("classes", seed, x, y, tested, sample_weight=weight) for seed in SEEDS])
    agree(balanced.mean(axis=0), others.mean(axis=0), 0.03)
