"""The training loop on small real data."""

import os
import signal
import threading

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, training


@pytest.fixture(scope="module")
def mnist():
    splits = data.load_mnist()
    return data.Splits(splits.train[:2000], splits.valid[:500], splits.test[:500])


def network(seed=1):
    minidnn.manual_seed(seed)
    return nn.Sequential(nn.Dense(784, 32, activation="relu", name="hidden1"), nn.Dense(32, 10, name="outputs"))


def fit(model, mnist, **options):
    options = {
        "optimizer": optim.SGD(model.parameters(), 0.1, momentum=0.9),
        "epochs": 2,
        "batch_size": 50,
        "valid": mnist.valid,
        "progress": False,
    } | options
    return training.fit(model, mnist.train, **options)


def weights(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


def test_it_learns(mnist):
    model = network()
    history = fit(model, mnist, epochs=3)
    assert history["valid_accuracy"][-1] > 0.85
    assert history["loss"][0] > history["loss"][-1]
    assert history["epoch"] == [1, 2, 3] and history["step"] == [40, 80, 120]
    assert history.stopped is None and len(history) == 3


def test_an_epoch_is_the_raw_loop(mnist):
    model = network()
    fit(model, mnist, epochs=1)
    by_hand = network()
    optimizer = optim.SGD(by_hand.parameters(), 0.1, momentum=0.9)
    for x, y in data.batches(mnist.train, 50):
        optimizer.zero_grad()
        nn.softmax_cross_entropy(by_hand(x), y).backward()
        optimizer.step()
    assert weights(model) == weights(by_hand)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_the_same_seed_gives_the_same_bytes_at_every_thread_count(mnist, threads):
    def train(n):
        minidnn.set_num_threads(n)
        model = network()
        model.layers.insert(1, nn.Dropout(0.2))
        fit(model, mnist, epochs=1)
        return weights(model)

    assert train(threads) == train(4)


def test_reference_backend_trains_to_the_same_place(mnist):
    small = data.Splits(mnist.train[:200], mnist.valid[:50], mnist.test)
    compiled = network()
    fit(compiled, small, epochs=1)
    with minidnn.use_backend("reference"):
        plain = network()
        fit(plain, small, epochs=1)
    # 4 updates of at most 0.1 * 10 * |grad|; products round by k * eps.
    assert np.allclose(
        compiled.get_parameter("hidden1.kernel").data, plain.get_parameter("hidden1.kernel").data, atol=1e-4
    )


def test_callbacks_see_every_point_in_order(mnist):
    seen = []

    class Watcher(training.Callback):
        def on_fit_begin(self, run):
            seen.append("begin")

        def on_step_end(self, run):
            seen.append(run.step)

        def on_epoch_end(self, run):
            seen.append(("epoch", run.epoch, run.row is run.history.rows[-1]))
            run.row["mine"] = run.epoch * 10

        def on_fit_end(self, run):
            seen.append("end")

    model = network()
    history = fit(model, mnist, batch_size=800, callbacks=[Watcher()])
    assert seen == ["begin", 1, 2, 3, ("epoch", 1, True), 4, 5, 6, ("epoch", 2, True), "end"]
    assert history["mine"] == [10, 20]


def test_stop_ends_the_run_after_the_step_and_records_the_reason(mnist):
    class Stopper(training.Callback):
        def on_step_end(self, run):
            if run.step == 45:
                run.stop("enough")

    history = fit(network(), mnist, callbacks=[Stopper()])
    assert history.stopped == "enough" and history["step"] == [40]


class Interrupter(training.Callback):
    """Presses Ctrl-C after step 45."""

    def __init__(self):
        self.steps, self.ended = [], 0

    def on_step_end(self, run):
        self.steps.append(run.step)
        if run.step == 45:
            os.kill(os.getpid(), signal.SIGINT)

    def on_fit_end(self, run):
        self.ended += 1


@pytest.fixture
def listening():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals go to the main thread")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_finishes_the_step_and_returns_the_history(mnist, listening):
    interrupter = Interrupter()
    history = fit(network(), mnist, callbacks=[interrupter], on_interrupt="stop")
    assert history.stopped == "interrupted" and history["step"] == [40]
    assert interrupter.steps[-1] in (45, 46)  # Python runs the handler between two of its instructions


def test_ctrl_c_ends_the_loop_around_fit_too(mnist, listening, tmp_path):
    interrupter, model = Interrupter(), network().eval()
    with pytest.raises(KeyboardInterrupt):
        fit(model, mnist, callbacks=[interrupter, training.Checkpoint(tmp_path)])
    assert interrupter.steps[-1] in (45, 46) and interrupter.ended == 1 and not model.training
    assert len(list(tmp_path.iterdir())) == 2  # at the first epoch's end, and where it was cut


def test_on_fit_end_comes_after_an_error_too(mnist):
    ended = []

    class Failing(training.Callback):
        def on_step_end(self, run):
            raise ZeroDivisionError

        def on_fit_end(self, run):
            ended.append(run.step)

    model = network().eval()
    with pytest.raises(ZeroDivisionError):
        fit(model, mnist, callbacks=[Failing()])
    assert ended == [1] and not model.training


def test_a_loss_that_is_not_finite_stops_with_advice(mnist):
    model = network()
    model.get_parameter("outputs.kernel").data[0, 0] = np.nan
    message = r"step 1 \(epoch 1\) is nan: the output of dense in layer outputs has 50 values .* learning rate"
    with pytest.raises(training.NonFiniteError, match=message):
        fit(model, mnist)


def test_modes_are_put_back(mnist):
    model = network().eval()
    fit(model, mnist, epochs=1)
    assert not model.training
    model.train()
    training.evaluate(model, mnist.test)
    assert model.training


@pytest.mark.parametrize("batch_size", [1, 7, 500, 10_000])
def test_evaluate_does_not_depend_on_the_batch_size(mnist, batch_size):
    model = network()
    part = mnist.test[:100]
    whole = training.evaluate(model, part, batch_size=100)
    parts = training.evaluate(model, part, batch_size=batch_size)
    assert parts.accuracy == pytest.approx(whole.accuracy) and parts.loss == pytest.approx(whole.loss, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "fit: epochs must be at least 1"),
        ({"epochs": 1.5}, TypeError, "fit: epochs must be an integer"),
        ({"batch_size": -1}, ValueError, "fit: batch_size must be at least 1"),
        ({"on_interrupt": "go on"}, ValueError, "on_interrupt is 'go on', must be 'stop' or 'raise'"),
    ],
)
def test_fit_refuses(mnist, options, error, message):
    with pytest.raises(error, match=message):
        fit(network(), mnist, **options)


def test_empty_sets_are_refused(mnist):
    model = network()
    with pytest.raises(ValueError, match="training set is empty"):
        fit(model, data.Splits(mnist.train[:0], mnist.valid, mnist.test))
    with pytest.raises(ValueError, match="data set is empty"):
        training.evaluate(model, mnist.test[:0])


def test_progress_prints_a_line_for_each_epoch(mnist, capsys):
    fit(network(), mnist, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("epoch 1/2: loss ") and "examples/s" in lines[0]
    assert "valid_accuracy" in lines[1]


def test_progress_works_without_standard_error(mnist, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    fit(network(), mnist, progress=True)
    assert capsys.readouterr().out == ""


def test_progress_on_a_terminal_is_one_line(mnist, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fit(network(), mnist, progress=True)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and "4000/4000" in shown and "loss=" in shown and "valid_accuracy=" in shown


def test_an_unknown_column_of_the_history_lists_the_known_ones(mnist):
    history = fit(network(), mnist, epochs=1)
    with pytest.raises(KeyError, match=r"no column 'los'.*loss, accuracy"):
        history["los"]
    assert "epochs=1" in repr(history)
