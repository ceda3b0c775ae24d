"""Reports, summaries and the whole default configuration."""

import numpy as np
import pytest
from sklearn import metrics as sk

import minidnn
from minidnn import data, nn, optim, recipes, training

rng = np.random.default_rng(9)
X = rng.normal(size=(300, 6)).astype(np.float32)
W = rng.normal(size=(6, 3))
SCORES = X @ W + 0.5 * rng.normal(size=(300, 3))


def fixed(columns):
    """A model that returns its inputs, so that its predictions are known."""
    layer = nn.Dense(6, len(columns))
    layer.kernel.data[...] = 0
    for j, i in enumerate(columns):
        layer.kernel.data[i, j] = 1
    return nn.Sequential(layer)


def test_classes_by_name():
    y = SCORES.argmax(axis=1)
    predicted = X[:, :3].argmax(axis=1)
    report = training.report(fixed([0, 1, 2]), data.ArrayDataset(X, y, ["cat", "dog", "emu"]))
    assert report.kind == "classes" and report.names == ("cat", "dog", "emu")
    assert np.array_equal(report.confusion, sk.confusion_matrix(y, predicted))
    assert report.accuracy == sk.accuracy_score(y, predicted)
    assert np.allclose(report.values.T, sk.precision_recall_fscore_support(y, predicted))
    text = str(report)
    assert f"accuracy {report.accuracy:.4f} of 300 examples" in text
    for name, row in zip(report.names, report.confusion, strict=True):
        assert any(line.split() == [name, *map(str, row)] for line in text.splitlines())


@pytest.mark.parametrize("targets", [(0, 1), (-1, 1)])
def test_two_classes_with_one_output(targets):
    y = np.where(SCORES[:, 0] > 0, targets[1], targets[0])
    report = training.report(fixed([0]), (X, y))
    predicted = np.where(X[:, 0] > 0, targets[1], targets[0])
    assert np.array_equal(report.confusion, sk.confusion_matrix(y, predicted)) and report.names == tuple(
        map(str, targets)
    )
    if targets == (0, 1):
        ends = nn.Sequential(*fixed([0]), nn.Sigmoid())  # probabilities, so above 0.5
        assert np.array_equal(training.report(ends, (X, y)).confusion, report.confusion)
        assert training.report(fixed([0]), (X, y), threshold=1e9).confusion[:, 1].sum() == 0


def test_several_labels():
    y = (SCORES > 0).astype(int)
    report = training.report(fixed([0, 1, 2]), (X, y), names=["a", "b", "c"])
    predicted = X[:, :3] > 0
    assert report.kind == "labels" and report.accuracy == sk.accuracy_score(y, predicted)
    assert np.allclose(report.values.T, sk.precision_recall_fscore_support(y, predicted, average=None))


def test_numbers():
    report = training.report(fixed([0, 1]), (X, SCORES[:, :2]))
    y = SCORES[:, :2].astype(np.float32).astype(np.float64)
    assert report.kind == "numbers" and np.allclose(report.residuals, X[:, :2] - y)
    for i in range(2):
        mae, rmse, r2, bias = report.values[i]
        assert mae == pytest.approx(sk.mean_absolute_error(y[:, i], X[:, i]))
        assert rmse == pytest.approx(sk.root_mean_squared_error(y[:, i], X[:, i]))
        assert r2 == pytest.approx(sk.r2_score(y[:, i], X[:, i])) and bias == pytest.approx((X[:, i] - y[:, i]).mean())


@pytest.mark.parametrize(
    "y", [SCORES.argmax(axis=1), (SCORES > 0).astype(int), SCORES], ids=["classes", "labels", "numbers"]
)
def test_pictures(y, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.png"
    training.report(fixed([0, 1, 2]), (X, y)).plot(path)
    assert path.stat().st_size > 5000


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (fixed([0, 1]), SCORES, "must be the same"),
        (fixed([0]), SCORES.argmax(axis=1), r"must be \(\d+, classes\)"),
        (fixed([0, 1]), SCORES.argmax(axis=1), r"labels must be in \[0, 1\], got 0 to 2"),
        (fixed([0, 1]), (SCORES, SCORES), "report each on its own"),
    ],
)
def test_report_refuses(model, y, message):
    with pytest.raises(ValueError, match=message):
        training.report(model, (X, y))


# Summaries


def test_a_summary_counts():
    model = nn.Sequential(
        nn.Dense(6, 8, "relu", name="h"), nn.BatchNorm(8, name="norm"), nn.Dropout(0.5), nn.Dense(8, 3)
    )
    model[0].kernel.requires_grad = model[0].bias.requires_grad = False
    before = model.state_dict(), [module.training for _, module in model.named_modules()], minidnn.get_rng_state()
    text = str(model.summary())
    rows = [line.split("  ") for line in text.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[1] == ["h", "Dense", "(n, 8)", "56", "frozen", "224"]
    assert cells[2] == ["norm", "BatchNorm", "(n, 8)", "16", "trained", "128"]
    assert cells[3] == ["2", "Dropout", "(n, 8)", "0", "0"]
    assert cells[4] == ["3", "Dense", "(n, 3)", "27", "trained", "108"]
    assert cells[5] == ["parameters: 99 (43 trained, 56 frozen); 460 bytes"]
    after = model.state_dict(), [module.training for _, module in model.named_modules()], minidnn.get_rng_state()
    assert all(np.array_equal(before[0][path], after[0][path]) for path in before[0]) and before[1:] == after[1:]
    assert repr(model.summary()) == text and not any("forward" in vars(part) for _, part in model.named_modules())


def test_summaries_of_other_models():
    graph = nn.Graph(
        [
            nn.Node("a", nn.Dense(3, 4), ["l"]), nn.Node("b", nn.Dense(2, 4), ["r"]),
            nn.Node("y", nn.functions.add(), ["a", "b"]),
        ],
        inputs=["l", "r"],
    )  # fmt: skip
    text = str(graph.summary(np.zeros((2, 3), np.float32), np.zeros((2, 2), np.float32)))
    assert "(n, 4)" in text and "parameters: 28 (28 trained" in text
    layer = nn.Dense(6, 6)
    shared = nn.Sequential(layer, nn.ReLU(), nn.Sequential(layer, name="again"))
    assert "parameters: 42 (42 trained" in str(shared.summary())  # a layer used twice counts once
    assert "parameters: 0" in str(nn.ReLU().summary())


# The whole default configuration


@pytest.mark.parametrize(
    ("task", "outputs", "y", "column"),
    [
        ("classification", 3, SCORES.argmax(axis=1), "valid_accuracy"),
        ("classification", 1, (SCORES[:, 0] > 0).astype(int), "valid_accuracy"),
        ("labels", 3, (SCORES > 0).astype(int), "valid_accuracy"),
        ("regression", 1, SCORES[:, 0], "valid_r2"),
        ("regression", 3, SCORES, "valid_r2"),
    ],
)
def test_the_default_configuration_is_ready_for_fit(task, outputs, y, column):
    minidnn.manual_seed(1)
    recipe = recipes.default_dnn(6, [16, 16], outputs, task=task, epochs=30, patience=8)
    history = recipe.fit(X, y, valid=0.2, progress=False)
    assert max(history[column]) > 0.75
    assert isinstance(recipe.optimizer, optim.SGD) and recipe.optimizer.groups[0].options["momentum"] == 0.9
    kinds = [type(callback) for callback in recipe.callbacks]
    assert kinds == [training.ReduceOnPlateau, training.EarlyStopping]
    best = training.evaluate(recipe.model, (X, y), recipe.loss)
    assert np.isfinite(best.loss)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"task": "cluster"}, ValueError, "task is 'cluster', must be 'classification', 'labels' or 'regression'"),
        ({"hidden": []}, ValueError, r"hidden is \[\], must be a list of one size or more"),
        ({"hidden": 30}, ValueError, "hidden is 30, must be a list of one size or more"),
        ({"hidden": [0]}, ValueError, "hidden must be at least 1"),
        ({"n_in": 2.5}, TypeError, "n_in must be an integer"),
        ({"n_out": 0}, ValueError, "n_out must be at least 1"),
        ({"activation": "swish"}, ValueError, "activation is 'swish', must be one of relu"),
        ({"dropout": 1.0}, ValueError, r"dropout must be in \[0, 1\)"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"lr": -1}, ValueError, "lr must be"),
    ],
)
def test_default_dnn_refuses(change, error, message):
    with pytest.raises(error, match=message):
        recipes.default_dnn(**({"n_in": 6, "hidden": [8], "n_out": 3} | change))
