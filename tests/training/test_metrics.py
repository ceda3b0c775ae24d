"""Metrics against scikit-learn, exact over any division of an epoch into batches."""

import numpy as np
import pytest
from sklearn import metrics as sk

from minidnn import data, nn, optim, training

rng = np.random.default_rng(11)
N = 203
LOGITS = rng.normal(size=(N, 4)).astype(np.float32)
LABELS = rng.integers(0, 4, N)
BITS = rng.integers(0, 2, (N, 4))
NUMBERS = (1000 + rng.normal(size=(N, 4))).astype(np.float32)  # far from 0, where sums of squares would cancel
CLOSE = (NUMBERS + 0.3 * rng.normal(size=(N, 4))).astype(np.float32)
FLAT = np.repeat(np.float32([[3, 3]]), N, axis=0)

# metric, outputs, targets, the value of scikit-learn
ROWS = [
    (training.Accuracy(), LOGITS, LABELS, sk.accuracy_score(LABELS, LOGITS.argmax(axis=1))),
    (training.Accuracy(), LOGITS, np.eye(4, dtype=np.float32)[LABELS], sk.accuracy_score(LABELS, LOGITS.argmax(1))),
    (training.BinaryAccuracy(), LOGITS, BITS, np.mean((LOGITS > 0) == BITS)),
    (training.BinaryAccuracy(), LOGITS[:, :1], BITS[:, 0], sk.accuracy_score(BITS[:, 0], LOGITS[:, 0] > 0)),
    (training.BinaryAccuracy(), LOGITS[:, 0], 2 * BITS[:, 0] - 1, sk.accuracy_score(BITS[:, 0], LOGITS[:, 0] > 0)),
    (training.BinaryAccuracy(0.5), LOGITS[:, :1], BITS[:, 0], sk.accuracy_score(BITS[:, 0], LOGITS[:, 0] > 0.5)),
    (training.MeanAbsoluteError(), CLOSE, NUMBERS, sk.mean_absolute_error(NUMBERS.astype(float), CLOSE.astype(float))),
    (training.R2(), CLOSE, NUMBERS, sk.r2_score(NUMBERS.astype(float), CLOSE.astype(float))),
    (training.R2(), CLOSE[:, :1], NUMBERS[:, 0], sk.r2_score(NUMBERS[:, 0].astype(float), CLOSE[:, 0].astype(float))),
    (training.R2(), FLAT, FLAT, 1.0),
    (training.R2(), FLAT + 1, FLAT, 0.0),
    (
        training.Collected(lambda o, t: sk.f1_score(t, o.argmax(axis=1), average="macro"), "f1"),
        LOGITS, LABELS, sk.f1_score(LABELS, LOGITS.argmax(axis=1), average="macro"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 50, N])
@pytest.mark.parametrize(("metric", "outputs", "targets", "expected"), ROWS, ids=lambda row: getattr(row, "name", ""))
def test_metrics_equal_scikit_learn_for_any_batches(metric, outputs, targets, expected, size):
    metric.reset()
    for start in range(0, N, size):
        metric.update(outputs[start : start + size], targets[start : start + size])
    # float64 sums of float32 differences: about N roundings of 2**-53, and those of the inputs' own arithmetic
    assert metric.compute() == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("metric", "outputs", "targets", "expected"), ROWS, ids=lambda row: getattr(row, "name", ""))
def test_a_metric_continues_from_its_state(metric, outputs, targets, expected):
    metric.reset()
    metric.update(outputs[:90], targets[:90])
    state = metric.state_dict()
    metric.reset()
    metric.update(outputs[:10], targets[:10])
    metric.load_state_dict(state)
    metric.update(outputs[90:], targets[90:])
    assert metric.compute() == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_metrics_of_no_examples_are_nan():
    for metric, *_ in ROWS:
        metric.reset()
        assert np.isnan(metric.compute())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("accuracy", TypeError, "metrics must be a list of functions or training.Metric, got str"),
        ([3], TypeError, "metrics has 3, must be functions"),
        ([training.R2(), training.R2()], ValueError, "metrics has the name 'r2', must be a unique identifier"),
        ({"loss": max}, ValueError, "metrics has the name 'loss'"),
        ([lambda o, t: 0], ValueError, "metrics has the name '<lambda>'"),
    ],
)
def test_refuses(given, error, message):
    model = nn.Dense(4, 4)
    with pytest.raises(error, match=message):
        training.evaluate(model, (LOGITS, LABELS), metrics=given)


def test_results_unpack_print_and_are_asked_by_name():
    model = nn.Dense(4, 4)
    result = training.evaluate(model, (LOGITS, LABELS))
    loss, accuracy = result
    assert (loss, accuracy) == (result.loss, result["accuracy"]) and type(accuracy) is float
    assert repr(result) == f"Evaluation(loss={loss:.6g}, accuracy={accuracy:.6g})"
    with pytest.raises(AttributeError, match="there is no 'f1'; there are loss, accuracy"):
        result.f1  # noqa: B018
    assert training.evaluate(model, (LOGITS, LABELS), metrics=[]).names == ("loss",)


def test_a_history_is_exact_where_batches_differ_in_size():
    model = nn.Dense(4, 4)
    dataset = data.ArrayDataset(LOGITS, LABELS)
    columns = {"f1": lambda o, t: sk.f1_score(t, o.argmax(axis=1), average="macro")}
    optimizer = optim.SGD(model.parameters(), 0.0)
    for batch_size in (1, 13, 100, N):
        history = training.fit(
            model, dataset, optimizer=optimizer, epochs=1, batch_size=batch_size, metrics=columns, progress=False
        )
        expected = training.evaluate(model, dataset, metrics=columns)
        assert history["f1"][0] == pytest.approx(expected.f1, rel=1e-12)
        assert history["loss"][0] == pytest.approx(expected.loss, rel=1e-5)


def fails(outputs, targets):
    return {}["nothing"]


def two_numbers(outputs, targets):
    return np.array([0.5, 0.5])


def words(outputs, targets):
    return "good"


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        (
            [fails],
            ValueError,
            r"metric 'fails' raises KeyError on \d+ .*, before the first update",
        ),
        ([two_numbers], TypeError, r"metric 'two_numbers' returned array\(\[0.5, 0.5\]\), must be a number"),
        ({"said": words}, TypeError, "metric 'said' returned 'good', must be a number"),
        ([lambda o, y: None], None, None),
    ],
)
def test_a_metric_that_returns_no_number_is_refused_before_the_first_update(metrics, error, message):
    rng = np.random.default_rng(3)
    model = nn.Sequential(nn.Dense(4, 3, "relu"), nn.Dense(3, 3))
    before = {name: value.tobytes() for name, value in model.state_dict().items()}
    if error is None:
        metrics, error, message = {"none": metrics[0]}, TypeError, "metric 'none' returned None, must be a number"
    with pytest.raises(error, match=message):
        training.fit(
            model, rng.random((30, 4), np.float32), rng.integers(0, 3, 30),
            optimizer=optim.SGD(model.parameters(), 0.1), epochs=1, batch_size=10, metrics=metrics, progress=False,
        )  # fmt: skip
    assert {name: value.tobytes() for name, value in model.state_dict().items()} == before


def test_metrics_are_tried_on_examples_of_every_class():
    """Sorted by class, and one class is rare."""
    y = np.sort(np.r_[np.zeros(500, int), np.ones(500, int), 2])
    seen = []

    def classes(outputs, targets):
        seen.append(len(np.unique(targets)))
        return 1.0

    model = nn.Dense(2, 3)
    x = np.zeros((len(y), 2), np.float32)
    options = {"epochs": 1, "batch_size": 100, "progress": False}
    training.fit(model, x, y, optimizer=optim.SGD(model.parameters(), 0.1), metrics=[classes], **options)
    assert seen == [3, 3]
