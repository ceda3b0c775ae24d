"""The end of a run: invalid rates, weights that are not finite, callbacks that raise, clocks that stop."""

import itertools
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, schedules, training

RNG = np.random.default_rng(6)
TRAIN = data.ArrayDataset(RNG.random((40, 6), np.float32), RNG.integers(0, 3, 40))


def start(optimizer, **options):
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(6, 5, "relu"), nn.Dense(5, 3))
    made = optimizer(model.parameters())
    options = {"epochs": 2, "batch_size": 10, "progress": False} | options
    return model, made, lambda: training.fit(model, TRAIN, optimizer=made, **options)


def bytes_of(model):
    return {path: array.tobytes() for path, array in model.state_dict().items()}


def bad_at(step, value):
    return lambda now: value if now == step else 0.1


NO_RATES = [np.nan, np.inf, -np.inf, -0.1, True, "0.1", None, [0.1], np.array([0.1]), 1j]
OPTIMIZERS = {
    "sgd": optim.SGD,
    "momentum": lambda params, lr: optim.SGD(params, lr, momentum=0.9),
    "adam": optim.Adam,
    "ftrl": optim.FTRL,
}


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("value", NO_RATES, ids=repr)
def test_rates_of_a_schedule_are_checked_like_a_constant(value, name, capture):
    with pytest.raises((TypeError, ValueError), match="lr must be"):
        OPTIMIZERS[name]([nn.Dense(2, 2).kernel], value)
    stop = [StopAfter(7)]
    whole, _, run = start(lambda p: OPTIMIZERS[name](p, lambda step: 0.1), capture=capture, callbacks=stop)
    run()
    model, optimizer, run = start(lambda p: OPTIMIZERS[name](p, bad_at(7, value)), capture=capture)
    with pytest.raises((TypeError, ValueError), match=r"^<lambda> \(test_last_update.py:\d+\): lr of step 7 must be"):
        run()
    assert optimizer.steps == 7 and bytes_of(model) == bytes_of(whole)


def test_no_group_is_updated_if_one_has_an_invalid_rate():
    a, b = nn.Dense(2, 2), nn.Dense(2, 2)
    optimizer = optim.SGD([{"params": a.parameters()}, {"params": b.parameters(), "lr": lambda step: np.nan}], 0.1)
    for parameter in (*a.parameters(), *b.parameters()):
        parameter.grad = np.ones_like(parameter.data)
    before = bytes_of(a), bytes_of(b)
    with pytest.raises(ValueError, match="lr of step 0 must be finite and at least 0, got nan"):
        optimizer.step()
    assert (bytes_of(a), bytes_of(b), optimizer.steps) == (*before, 0)


class StopAfter(training.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, run):
        if run.step == self.step:
            run.stop("test")


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonfinite_weights_after_the_last_update_are_an_error(value, capture, tmp_path, caplog):
    """The loss of the last step was finite, and no later step would reveal the weights."""

    class Spoil(training.Callback):
        def on_step_end(self, run):
            if run.step == 8:
                run.model[1].bias.data[0] = value

    callbacks = [Spoil(), training.Checkpoint(tmp_path, every=1)]
    _, _, run = start(lambda p: optim.SGD(p, 0.1), capture=capture, callbacks=callbacks)
    with pytest.raises(training.NonFiniteError, match=r"after the last step, 8, 1.bias has 1 of 3 values that are not"):
        run()
    assert sorted(path.stem[-1] for path in tmp_path.iterdir()) == ["6", "7"]
    assert "step 8 is not saved, 1.bias has 1 of 3 values" in caplog.text


def test_a_last_update_that_overflows_is_an_error():
    _, _, run = start(lambda p: optim.SGD(p, schedules.piecewise_constant([7], [0.1, 1e39])))
    with pytest.raises(training.NonFiniteError, match="after the last step, 8"):
        run()


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("spoilt", range(7))
def test_the_step_whose_loss_is_not_finite_is_named(spoilt, capture):
    _, optimizer, run = start(lambda p: optim.SGD(p, lambda step: 1e39 if step == spoilt else 0.1), capture=capture)
    with pytest.raises(training.NonFiniteError, match=f"the loss of step {spoilt + 2} "):
        run()
    assert optimizer.steps == spoilt + 1


def test_a_mask_of_minus_infinity_may_be_a_buffer(tmp_path):
    model = nn.Dense(6, 3)
    model.mask = minidnn.Tensor(np.full(3, -np.inf, np.float32))
    optimizer = optim.SGD(model.parameters(), 0.1)
    options = {"epochs": 1, "batch_size": 10, "progress": False, "callbacks": [training.Checkpoint(tmp_path)]}
    training.fit(model, TRAIN, optimizer=optimizer, **options)
    assert len(list(tmp_path.iterdir())) == 1


# Errors at the end


class Ending(training.Callback):
    def __init__(self, calls, error=None):
        self.calls, self.error = calls, error

    def on_fit_end(self, run):
        self.calls.append(self)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("raising", list(itertools.product([False, True], repeat=3)))
def test_on_fit_end_is_called_on_every_callback_though_others_raise(raising):
    calls = []
    callbacks = [Ending(calls, ValueError(f"fault {i}") if raises else None) for i, raises in enumerate(raising)]
    model, _, run = start(lambda p: optim.SGD(p, 0.1), callbacks=callbacks)
    if not any(raising):
        run()
    else:
        faults = [f"fault {i}" for i, raises in enumerate(raising) if raises]
        with pytest.raises(ValueError, match=faults[0]) as raised:
            run()
        notes = getattr(raised.value, "__notes__", [])
        assert [note.split("ValueError: ")[1] for note in notes] == faults[1:]
    assert calls == callbacks
    assert model.training


def test_an_error_at_the_end_keeps_the_one_before():
    class Break(training.Callback):
        def on_step_end(self, run):
            raise KeyError("first")

    _, _, run = start(lambda p: optim.SGD(p, 0.1), callbacks=[Break(), Ending([], ValueError("second"))])
    with pytest.raises(ValueError, match="second") as raised:
        run()
    assert isinstance(raised.value.__context__, KeyError)


# Clocks and signals


CLOCKS = {
    "stands": lambda: itertools.repeat(5.0),
    "goes back": lambda: itertools.count(1e6, -1.0),
    "jumps": lambda: itertools.cycle([0.0, 9.0, -4.0, 1e12]),
}


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_that_stops_or_runs_backwards(clock, tmp_path, monkeypatch):
    ticks = CLOCKS[clock]()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    callbacks = [training.Checkpoint(tmp_path, every=1), training.CSVLogger(tmp_path / "log.csv"), StopAfter(6)]
    _, _, run = start(lambda p: optim.SGD(p, 0.1), callbacks=callbacks)
    run()
    callbacks = [training.Checkpoint(tmp_path, every=1), training.CSVLogger(tmp_path / "log.csv"), StopAfter(6)]
    _, _, run = start(lambda p: optim.SGD(p, 0.1), callbacks=callbacks, resume=tmp_path)
    history = run()
    assert len(history) >= 1
    for row in history.rows:
        assert row["seconds"] >= 0 and np.isfinite(row["examples_per_second"]) and row["examples_per_second"] > 0


def test_time_in_callbacks_is_not_training_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    class Slow(training.Callback):
        def on_step_end(self, run):
            now[0] += 100.0

    loss = nn.softmax_cross_entropy

    def slow_loss(logits, labels):
        now[0] += 2.0
        return loss(logits, labels)

    _, _, run = start(lambda p: optim.SGD(p, 0.1), callbacks=[Slow()], loss=slow_loss, capture=False)
    history = run()
    assert history["seconds"] == [8.0, 8.0]
    assert history["examples_per_second"] == [5.0, 5.0]


def test_a_signal_handler_not_set_by_python_is_left_alone(monkeypatch):
    """As under R or Julia, which set handlers of their own: getsignal returns None, which signal refuses."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    _, _, run = start(lambda p: optim.SGD(p, 0.1))
    assert len(run()) == 2
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("again", [False, True])
def test_a_run_in_a_daemon_thread_ends_with_the_interpreter(again, tmp_path):
    """It stops after the current step and writes a checkpoint."""
    code = f"""
import threading
import numpy as np
import minidnn
from minidnn import data, nn, optim, training

going = threading.Event()

class Going(training.Callback):
    observer = True
    def on_step_end(self, run):
        going.set()

def train():
    model = nn.Sequential(nn.Dense(784, 100, "relu"), nn.Dense(100, 10))
    x = data.ArrayDataset(np.zeros((500, 784), np.uint8), np.zeros(500, int))
    while True:
        checkpoint = training.Checkpoint({str(tmp_path)!r}, overwrite=True)
        training.fit(model, x, optimizer=optim.SGD(model.parameters(), 0.1), epochs=10**6, batch_size=50,
                     progress=False, callbacks=[Going(), checkpoint])
        if not {again}:
            return

threading.Thread(target=train, daemon=True).start()
going.wait()
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("checkpoint-*.safetensors"))
    # A run that begins while the interpreter exits may be cut; its lock then belongs to a process that has ended.
    assert again or not (tmp_path / ".minidnn.lock").exists()


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_an_integer_beyond_the_range_of_floats_is_refused(value):
    parameters = nn.Dense(2, 2).parameters()
    for make in (
        lambda: optim.SGD(parameters, value),
        lambda: optim.Adam(parameters, eps=value),
        lambda: nn.l2(value),
        lambda: nn.BatchNorm(3, eps=value),
    ):
        with pytest.raises(ValueError, match=r"must be .*, got -?inf"):
            make()
