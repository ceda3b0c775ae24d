"""Callbacks: early stopping, performance scheduling, averaging, TensorBoard and others."""

import csv
import math
import sys
from itertools import pairwise

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, schedules, training
from minidnn.recording import mode


@pytest.fixture(scope="module")
def mnist():
    splits = data.load_mnist()
    return data.Splits(splits.train[:1000], splits.valid[:300], splits.test[:300])


def network():
    minidnn.manual_seed(1)
    return nn.Sequential(nn.Dense(784, 16, activation="relu", name="hidden1"), nn.Dense(16, 10, name="outputs"))


def weights(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


def fit(model, mnist, *callbacks, lr=0.1, **options):
    options = {"epochs": 1, "batch_size": 50, "progress": False} | options
    optimizer = optim.SGD(model.parameters(), lr)
    return training.fit(model, mnist.train, optimizer=optimizer, callbacks=callbacks, **options)


class Scripted(nn.Module):
    """A model whose validation loss follows a script: it holds one number, and the number is the loss."""

    def __init__(self, script):
        self.value = nn.Parameter(np.zeros(1, np.float32))
        self.script = iter(script)

    def forward(self, x):
        if self.training:
            self.value.data[0] = next(self.script)
        return x[:, :2] * 0 + self.value

    def loss(self, outputs, labels):
        return (outputs * 0).sum() + self.value.sum()


def run(script, *callbacks, epochs=None, steps=1):
    """Runs an epoch for each value of the script; the validation loss is that value."""
    model = Scripted([value for value in script for _ in range(steps)])
    dataset = data.ArrayDataset(np.zeros((steps, 3), np.uint8), np.zeros(steps, int))
    optimizer = optim.SGD(model.parameters(), 1.0)
    optimizer.step = lambda: setattr(optimizer, "steps", optimizer.steps + 1)
    history = training.fit(
        model,
        dataset,
        loss=model.loss,
        optimizer=optimizer,
        epochs=epochs or len(script),
        batch_size=1,
        valid=dataset,
        callbacks=callbacks,
        progress=False,
    )
    return model, history, optimizer


def test_early_stopping_waits_then_stops_and_restores_the_winner():
    stopper = training.EarlyStopping(patience=3, every=None)
    model, history, _ = run([5, 3, 2, 4, 2, 6, 7, 1], stopper)
    assert len(history) == 6
    assert history.stopped == "no better valid_loss than 2 (step 3, epoch 3) for 3 epochs"
    assert model.value.item() == 2 and stopper.best_epoch == 3 and stopper.best == 2


def test_early_stopping_in_steps():
    stopper = training.EarlyStopping(patience=4, every=2)
    _, history, _ = run([5, 4, 3, 3.5, 3.6, 3.7, 3.8, 3.9, 1], stopper)
    # Looked at after steps 2 (4), 4 (3.5), 6 (3.7) and 8 (3.9): the winner is 3.5.
    assert history.stopped == "no better valid_loss than 3.5 (step 4, epoch 4) for 4 steps"


def test_the_winner_is_restored_at_the_last_epoch_too():
    model, history, _ = run([5, 1, 4], training.EarlyStopping(patience=10, every=None))
    assert history.stopped is None and model.value.item() == 1


def test_the_winner_is_restored_after_an_error():
    class Failing(training.Callback):
        def on_epoch_end(self, run):
            if run.epoch == 3:
                raise ZeroDivisionError

    models = []

    class Keep(training.Callback):
        def on_fit_begin(self, run):
            models.append(run.model)

    with pytest.raises(ZeroDivisionError):
        run([5, 1, 4], training.EarlyStopping(patience=10, every=None), Keep(), Failing())
    assert models[0].value.item() == 1


def test_neither_a_gain_below_min_delta_nor_nan_is_the_best():
    stopper = training.EarlyStopping(patience=10, every=None, min_delta=0.5)
    run([5, 4.7, 4.4, 4.3], stopper)
    assert stopper.best == pytest.approx(4.4)


def test_accuracy_is_better_when_higher(mnist):
    stopper = training.EarlyStopping(patience=2, every=None, monitor="valid_accuracy")
    model = network()
    history = fit(model, mnist, stopper, epochs=30, valid=mnist.valid)
    assert stopper.best == max(history["valid_accuracy"])
    assert training.evaluate(model, mnist.valid).accuracy == pytest.approx(stopper.best)


@pytest.mark.parametrize("make", [training.EarlyStopping, training.ReduceOnPlateau])
def test_a_monitored_column_needs_a_validation_set(mnist, make):
    with pytest.raises(ValueError, match="needs a validation set"):
        fit(network(), mnist, make())


def test_only_callbacks_that_began_are_ended(mnist):
    with pytest.raises(ValueError, match="needs a validation set"):
        fit(network(), mnist, training.DetectAnomaly(), training.EarlyStopping())
    assert not mode.watchers


def test_the_rate_falls_on_a_plateau():
    plateau = training.ReduceOnPlateau(factor=0.5, patience=2, min_lr=0.2)
    _, _, optimizer = run([5, 4, 4, 4, 4, 4, 4, 4, 4], plateau)
    assert plateau.reductions == [4, 6, 8] and optimizer.lr == 0.2


def test_a_schedule_is_scaled_on_a_plateau():
    class Scheduled(training.Callback):
        def on_fit_begin(self, run):
            run.optimizer.lr = schedules.exponential(1.0, 0.5, 1)

    _, _, optimizer = run([5, 5, 5], Scheduled(), training.ReduceOnPlateau(factor=0.1, patience=2))
    assert optimizer.lr == pytest.approx(0.1 * 0.5**3)


def test_averages_follow_the_formula_and_become_the_weights():
    averaging = training.AverageWeights(decay=0.5, every=1)
    model, history, _ = run([8, 4, 2], averaging)
    assert model.value.item() == 0.5 * (0.5 * 8 + 0.5 * 4) + 0.5 * 2
    assert history["average_valid_loss"] == [8, 6, 4]


def test_averaging_does_not_touch_the_run(mnist):
    def losses(*callbacks):
        return fit(network(), mnist, *callbacks, epochs=2, valid=mnist.valid)["valid_loss"]

    assert losses() == losses(training.AverageWeights())


def test_csv(mnist, tmp_path):
    path = tmp_path / "log.csv"
    for append in (False, True):
        fit(network(), mnist, training.CSVLogger(path, append), epochs=2)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "1", "2"]
    assert float(rows[0]["loss"]) > float(rows[1]["loss"])
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="has columns"):
        fit(network(), mnist, training.CSVLogger(path, append=True))


def test_tensorboard_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"minidnn\[tensorboard\]"):
        training.TensorBoard("runs")


def test_tensorboard_writes_events(mnist, tmp_path):
    pytest.importorskip("tensorboardX")
    fit(network(), mnist, training.TensorBoard(tmp_path))
    (events,) = tmp_path.iterdir()
    assert b"accuracy" in events.read_bytes()


def test_tensorboard_writes_histograms_graph_images_and_hyperparameters(mnist, tmp_path):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("onnx")
    logger = training.TensorBoard(
        tmp_path,
        histograms=1,
        graph=True,
        images=lambda model: model.get_parameter("hidden1.kernel").data[:, :2].T.reshape(2, 28, 28),
        hyperparameters={"width": 300, "activation": "relu"},
    )
    fit(network(), mnist, logger)
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*tfevents*")))
    for part in (
        b"hidden1.kernel",
        b"outputs.bias",
        b"Gemm",
        b"images",
        b"\x89PNG",
        b"width",
        b"activation",
        b"hparams",
    ):
        assert part in written, part


def test_tensorboard_refuses_unsupported_arguments(tmp_path):
    pytest.importorskip("tensorboardX")
    with pytest.raises(ValueError, match="histograms"):
        training.TensorBoard(tmp_path, histograms=0)
    with pytest.raises(TypeError, match="images is int, must be a function"):
        training.TensorBoard(tmp_path, images=3)
    with pytest.raises(TypeError, match=r"hyperparameters\['a'\] is \[1\]"):
        training.TensorBoard(tmp_path, hyperparameters={"a": [1]})
    assert not list(tmp_path.iterdir())


# nan_guard


def test_nan_guard_names_layer_and_op():
    model = network()
    model.get_parameter("outputs.bias").data[3] = np.inf
    with training.nan_guard(model), pytest.raises(training.AnomalyError) as error:
        model(np.ones((2, 784), np.float32))
    assert str(error.value) == (
        "the output of dense in layer outputs has 2 values that are not finite; the first, at (0, 3), is inf"
    )
    assert "forward" not in vars(model.layers[0])
    model(np.ones((2, 784), np.float32))  # off again


def test_nan_guard_sees_gradients():
    x = minidnn.Tensor(np.zeros(3, np.float32), requires_grad=True)
    with training.nan_guard(), np.errstate(divide="ignore", invalid="ignore"):
        y = minidnn.ops.sqrt(x).sum()
        with pytest.raises(training.AnomalyError, match=r"a gradient of sqrt has 3 values .* is inf"):
            y.backward()


def test_detect_anomaly_names_the_layer_and_op(mnist):
    model = network()
    with pytest.raises(training.AnomalyError, match="in layer"), np.errstate(all="ignore"):
        fit(model, mnist, training.DetectAnomaly(), lr=1e30)
    assert not mode.watchers and "forward" not in vars(model)


# Rates


def momentum(model, lr):
    return optim.SGD(model.parameters(), lr, momentum=0.9)


def test_range_test_suggests_a_rate_that_learns_and_puts_the_model_back(mnist, tmp_path):
    pytest.importorskip("matplotlib")
    model = network()
    before = weights(model)
    result = training.lr_range_test(model, mnist.train, optimizer=momentum, rng=minidnn.Generator(1))
    assert weights(model) == before
    assert 1e-3 < result.suggested < 1 and len(result.rates) == len(result.losses)
    ratios = [b / a for a, b in pairwise(result.rates)]
    assert np.allclose(ratios, ratios[0])
    result.plot(tmp_path / "range.png")
    rates = [1e-5, result.suggested, 50.0]
    comparison = training.compare_rates(model, mnist.train, rates, optimizer=momentum, steps=100)
    assert comparison.suggested == result.suggested
    assert weights(model) == before
    assert len(comparison.losses[1e-5]) == 100 and "suggested" in str(comparison)
    comparison.plot(tmp_path / "rates.png")


def test_range_test_refuses(mnist):
    with pytest.raises(ValueError, match="0 < low < high"):
        training.lr_range_test(network(), mnist.train, optimizer=momentum, low=1, high=1)
    with pytest.raises(ValueError, match="steps must be at least 10"):
        training.lr_range_test(network(), mnist.train, optimizer=momentum, steps=5)
    with pytest.raises(ValueError, match="rates is empty"):
        training.compare_rates(network(), mnist.train, [], optimizer=momentum)


# Prediction


def test_predict_is_the_model_in_evaluation_mode(mnist):
    model = nn.Sequential(nn.Dropout(0.5), *network().layers)
    images = mnist.test.images
    whole = training.predict(model, images)
    assert model.training and whole.shape == (300, 10)
    assert np.allclose(whole, training.predict(model, images, batch_size=7), atol=1e-5)
    probabilities = training.predict(model, images, activation=minidnn.ops.softmax)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_monte_carlo_dropout_spreads_about_the_mean(mnist):
    model = nn.Sequential(nn.Dropout(0.3), nn.Dense(784, 10))
    mean, std = training.predict(model, mnist.test.images[:5], mc_samples=400)
    plain = training.predict(model, mnist.test.images[:5])
    assert std.min() > 0
    # A linear model's mean over masks is its output: within six standard errors.
    assert np.all(np.abs(mean - plain) < 6 * std / math.sqrt(400))
    with pytest.raises(ValueError, match="this one has none"):
        training.predict(network(), mnist.test.images, mc_samples=10)


def test_predict_refuses_an_empty_data_set():
    with pytest.raises(ValueError, match="there are no examples"):
        training.predict(network(), np.zeros((0, 784), np.float32))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: training.EarlyStopping(patience=0), ValueError, "EarlyStopping: patience must be at least 1"),
        (lambda: training.EarlyStopping(every=0), ValueError, "EarlyStopping: every must be at least 1"),
        (
            lambda: training.EarlyStopping(monitor="loss"),
            ValueError,
            "must be a column of the validation set, such as 'valid_loss', if every is given; give every=None",
        ),
        (lambda: training.EarlyStopping(monitor=3), TypeError, "monitor must be the name of a column"),
        (lambda: training.EarlyStopping(mode="up"), ValueError, "mode must be 'auto', 'min' or 'max'"),
        (lambda: training.EarlyStopping(min_delta=-1), ValueError, "min_delta must be"),
        (lambda: training.ReduceOnPlateau(factor=1), ValueError, r"factor must be in \(0, 1\)"),
        (lambda: training.ReduceOnPlateau(min_lr=math.nan), ValueError, "min_lr must be"),
        (lambda: training.AverageWeights(decay=1.0), ValueError, "decay must be in"),
        (lambda: training.AverageWeights(every=1.5), TypeError, "every must be an integer"),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()
