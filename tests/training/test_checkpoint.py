"""A run that was interrupted anywhere and resumed ends with the bytes of an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minidnn
from minidnn import data, files, nn, optim, reuse, schedules, training
from minidnn.data import augment


class Killed(BaseException):
    """An exception that no handler catches."""


MNIST = data.load_mnist()
TRAIN, VALID = MNIST.train[:210], MNIST.valid[:60]  # 5 batches of 50 an epoch, the last of 10


def dropout_network():
    return nn.Sequential(
        nn.Dropout(0.2, rng=minidnn.Generator(5)),
        nn.Dense(784, 12, "elu"),
        nn.BatchNorm(12),
        nn.Dropout(0.4),
        nn.Dense(12, 10),
    )


RUNS = {
    "momentum": {},
    "adam": {"optimizer": lambda p: optim.Adam(p)},
    "schedule": {"optimizer": lambda p: optim.SGD(p, schedules.exponential(0.1, 0.5, 7), momentum=0.9)},
    "early stopping": {"callbacks": lambda: [training.EarlyStopping(patience=6, every=3)]},
    "plateau": {"callbacks": lambda: [training.ReduceOnPlateau(patience=1, every=2, min_delta=0.5)]},
    "plateau of a schedule": {
        "callbacks": lambda: [training.ReduceOnPlateau(patience=1, every=2, min_delta=0.5)],
        "optimizer": lambda p: optim.SGD(p, schedules.exponential(0.1, 0.5, 7)),
    },
    "average": {"callbacks": lambda: [training.AverageWeights(0.8, every=2)]},
    "pruned": {
        "callbacks": lambda: [training.Prune(training.cubic_sparsity(0.9, steps=8, begin=1), every=3)],
        "optimizer": lambda p: optim.Adam(p),
    },
    "zeros kept": {"callbacks": lambda: [training.Prune(0.5, layers=["1"]), training.KeepZeros(layers=["4"])]},
    "augmented": {"augment": augment.Augment([augment.shift(2)], (28, 28))},
    "own generator": {"rng": lambda: minidnn.Generator(9)},
    "eager": {"capture": False},
    "unfreezing": {"callbacks": lambda: [reuse.GradualUnfreezing(epochs=1)], "optimizer": lambda p: optim.Adam(p)},
    "unfreezing on a plateau": {"callbacks": lambda: [reuse.GradualUnfreezing(patience=1, min_delta=9.0)]},
}


def run(folder, name, kill=None, resume=False, every=1, epochs=3, ahead=0):
    options = dict(RUNS[name])
    generator = minidnn.manual_seed(3)
    for _ in range(ahead):
        generator.next_key()
    model = dropout_network()
    make = options.pop("optimizer", lambda p: optim.SGD(p, 0.05, momentum=0.9))
    callbacks = options.pop("callbacks", list)()
    rng = options.pop("rng", lambda: None)()
    checkpoint = [] if folder is None else [training.Checkpoint(folder, every)]
    killer = [] if kill is None else [KillLater(kill)]
    optimizer = make(model.parameters())
    history = training.fit(
        model,
        TRAIN,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=50,
        valid=VALID,
        callbacks=[*checkpoint, *callbacks, *killer],
        rng=rng,
        progress=False,
        resume=folder if resume else None,
        **options,
    )
    rows = [{k: v for k, v in row.items() if "second" not in k} for row in history.rows]
    state = {**model.state_dict(), **optimizer.state_dict()}
    return {key: np.asarray(value).tobytes() for key, value in state.items()}, rows, minidnn.get_rng_state()


class KillLater(training.Checkpoint):
    """Raises after a step, once its checkpoint is written if one is due."""

    def __init__(self, step):
        self.step = step

    def on_fit_begin(self, run):
        pass

    def on_step_end(self, run):
        if run.step == self.step:
            raise Killed

    def on_epoch_end(self, run):
        pass

    def on_fit_end(self, run):
        pass


@pytest.mark.parametrize("name", RUNS)
def test_resumed_runs_end_with_the_same_bytes(name, tmp_path):
    whole = run(None, name)
    for kill in (2, 4, 5, 6, 11):
        folder = tmp_path / str(kill)
        with pytest.raises(Killed):
            run(folder, name, kill, every=2)
        assert run(folder, name, resume=True, every=2, ahead=99) == whole


def test_a_run_may_be_interrupted_many_times(tmp_path):
    whole = run(None, "momentum")
    for kill in (2, 5, 6, 9, 13):
        with pytest.raises(Killed):
            run(tmp_path, "momentum", kill, resume=True)
    assert run(tmp_path, "momentum", resume=True) == whole


def test_checkpoints_at_each_epochs_end(tmp_path):
    whole = run(None, "adam")
    with pytest.raises(Killed):
        run(tmp_path, "adam", kill=8, every=None)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-0000000005.safetensors"]
    assert run(tmp_path, "adam", resume=True, every=None) == whole


def test_a_finished_run_may_be_extended(tmp_path):
    ended = run(tmp_path, "early stopping", epochs=2)
    assert run(tmp_path, "early stopping", resume=True, epochs=2)[:2] == ended[:2]
    longer = run(tmp_path, "early stopping", resume=True, epochs=3)
    assert longer[:2] == run(None, "early stopping", epochs=3)[:2]


def test_resuming_without_checkpoints_starts_a_run(tmp_path):
    assert run(tmp_path / "none", "momentum", resume=True) == run(None, "momentum")


def test_temporary_files_of_a_killed_process_are_deleted(tmp_path):
    stale = tmp_path / ".minidnn-0123456789abcdef.tmp"
    stale.write_bytes(b"half")
    run(tmp_path, "momentum", epochs=1)
    assert not stale.exists()


def test_numbers_of_numpy_in_a_row_are_kept(tmp_path):
    class Marks(training.Callback):
        def on_epoch_end(self, run):
            run.row["mark"] = np.float32(0.5)

    minidnn.manual_seed(1)
    model = nn.Dense(784, 10)
    options = {"optimizer": optim.SGD(model.parameters(), 0.1), "batch_size": 50, "progress": False}
    training.fit(model, TRAIN, epochs=1, callbacks=[Marks(), training.Checkpoint(tmp_path)], **options)
    history = training.fit(model, TRAIN, epochs=2, callbacks=[Marks()], resume=tmp_path, **options)
    assert history["mark"] == [0.5, 0.5]


def test_only_the_newest_are_kept(tmp_path):
    run(tmp_path, "momentum", every=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-0000000008.safetensors",
        "checkpoint-0000000012.safetensors",
    ]


def test_an_earlier_runs_checkpoints_are_not_lost(tmp_path):
    run(tmp_path, "momentum", epochs=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="holds checkpoints of an earlier run"):
        run(tmp_path, "momentum", epochs=1)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-9] + b"\x55" + b[-8:]])
def test_a_damaged_checkpoint_is_skipped(damage, tmp_path, caplog):
    with pytest.raises(Killed):
        run(tmp_path, "momentum", kill=7)
    newest = max(tmp_path.iterdir())
    newest.write_bytes(damage(newest.read_bytes()))
    assert run(tmp_path, "momentum", resume=True) == run(None, "momentum")
    assert f"{newest} is damaged" in caplog.text


def test_only_damaged_checkpoints_are_an_error(tmp_path):
    run(tmp_path, "momentum", epochs=1)
    for path in tmp_path.iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(training.ResumeError, match="no intact checkpoint"):
        run(tmp_path, "momentum", resume=True)


def test_another_run_is_refused(tmp_path):
    run(tmp_path, "momentum", epochs=1)
    with pytest.raises(training.ResumeError, match=r"callbacks.AverageWeights is AverageWeights, was absent"):
        run(tmp_path, "average", resume=True)
    with pytest.raises(training.ResumeError, match="optimizer is Adam, was SGD"):
        run(tmp_path, "adam", resume=True)
    minidnn.manual_seed(3)
    model = dropout_network()
    options = {
        "optimizer": optim.SGD(model.parameters(), 0.05, momentum=0.9),
        "valid": VALID,
        "epochs": 1,
        "resume": tmp_path,
        "progress": False,
    }
    with pytest.raises(training.ResumeError, match="data is 100 examples"):
        training.fit(model, TRAIN[:100], batch_size=50, **options)
    with pytest.raises(training.ResumeError, match="batch_size is 30, was 50"):
        training.fit(model, TRAIN, batch_size=30, **options)
    other = nn.Dense(784, 10)
    options["optimizer"] = optim.SGD(other.parameters(), 0.05, momentum=0.9)
    with pytest.raises(training.ResumeError, match="model is Dense, was Sequential"):
        training.fit(other, TRAIN, batch_size=50, **options)


def test_a_full_disk_ends_the_run_and_keeps_the_older(tmp_path, monkeypatch):
    real, count = os.fsync, 0

    def full(handle):
        nonlocal count
        count += 1
        if count > 5:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, "momentum")
    monkeypatch.setattr(files.os, "fsync", real)
    assert run(tmp_path, "momentum", resume=True) == run(None, "momentum")


def test_logs_have_each_row_once(tmp_path):
    def logged(kill=None, resume=False):
        minidnn.manual_seed(1)
        model = nn.Dense(784, 10)
        callbacks = [training.CSVLogger(tmp_path / "log.csv"), training.Checkpoint(tmp_path / "c", every=3)]
        training.fit(
            model,
            TRAIN,
            optimizer=optim.SGD(model.parameters(), 0.1),
            epochs=3,
            batch_size=50,
            callbacks=[*callbacks, *([] if kill is None else [KillLater(kill)])],
            progress=False,
            resume=tmp_path / "c" if resume else None,
        )

    with pytest.raises(Killed):
        logged(kill=11)
    logged(resume=True)
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().split()] == ["epoch", "1", "2", "3"]


def train(folder, *options):
    command = [sys.executable, "-P", "-m", "minidnn", "train", "--epochs", "2", "--hidden", "20", "--output", folder]
    return subprocess.Popen([*command, "--checkpoint-every", "50", *options], stdout=subprocess.PIPE)


@pytest.mark.parametrize("kills", [int(os.environ.get("MINIDNN_KILLS", "3"))])
def test_sigkill_at_random_times(kills, tmp_path):
    """MINIDNN_KILLS=50 selects the long form."""
    whole = train(tmp_path / "whole")
    start = time.perf_counter()
    whole.communicate()
    lasting, chance, killed = time.perf_counter() - start, random.Random(kills), 0
    attempt = 0
    while killed < kills:
        folder = tmp_path / str(attempt)
        attempt += 1
        while killed < kills:
            process = train(folder, "--resume")
            try:
                process.communicate(timeout=chance.uniform(0.3, 0.9) * lasting)
                break  # it ended before the kill
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += 1
        process = train(folder, "--resume")
        process.communicate()
        assert process.returncode == 0
        expected = (tmp_path / "whole" / "model.safetensors").read_bytes()
        assert (folder / "model.safetensors").read_bytes() == expected
