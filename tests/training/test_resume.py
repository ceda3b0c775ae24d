"""A checkpoint is resumed with the same arguments; the error names arguments that differ."""

import os
import subprocess
import sys
import zlib
from functools import partial

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, schedules, training
from minidnn.cli import main
from minidnn.data import augment, checksums
from minidnn.locks import InUseError, in_use
from minidnn.training import identity

RNG = np.random.default_rng(5)
X, Y = RNG.integers(0, 256, (40, 12), dtype=np.uint8), RNG.integers(0, 3, 40)
TRAIN, VALID = data.ArrayDataset(X[:30], Y[:30]), data.ArrayDataset(X[30:], Y[30:])


def changed(dataset):
    x = dataset.x.copy()
    x[-1, -1] ^= 1
    return data.ArrayDataset(x, dataset.y)


def scaled_loss(scale):
    return lambda logits, labels: scale * nn.softmax_cross_entropy(logits, labels)


class Rare(training.Callback):
    """A callback of the user, which keeps an argument under its name."""

    def __init__(self, every=3):
        self.every = every


class Silent(training.Callback):
    observer = True


GIVEN = {
    "seed": 3,
    "rate": 0.2,
    "activation": "relu",
    "hidden": 6,
    "kernel": None,
    "order": 9,
    "optimizer": optim.SGD,
    "lr": 0.1,
    "options": {"momentum": 0.9},
    "loss": nn.softmax_cross_entropy,
    "batch_size": 10,
    "train": TRAIN,
    "valid": VALID,
    "augment": None,
    "callbacks": (),
    "every": None,
    "more": {},
}


def run(folder, epochs=1, resume=False, resume_with=(), **given):
    given = GIVEN | given
    minidnn.manual_seed(given["seed"])
    model = nn.Sequential(
        nn.Dropout(given["rate"]),
        nn.Dense(12, given["hidden"], given["activation"], kernel_regularizer=given["kernel"], name="hidden"),
        nn.Dense(given["hidden"], 3),
    )
    optimizer = given["optimizer"](model.parameters(), given["lr"], **given["options"])
    history = training.fit(
        model,
        given["train"],
        valid=given["valid"],
        loss=given["loss"],
        optimizer=optimizer,
        epochs=epochs,
        batch_size=given["batch_size"],
        rng=minidnn.Generator(given["order"]),
        augment=given["augment"],
        callbacks=[*given["callbacks"], training.Checkpoint(folder, given["every"])],
        progress=False,
        resume=folder if resume else None,
        resume_with=resume_with,
        **given["more"],
    )
    return history, {path: value.tobytes() for path, value in model.state_dict().items()}, optimizer


plateau = partial(training.ReduceOnPlateau, patience=1)

CHANGES = [
    # what was given before, what is given now, what the error says, the name that allows it (None: nothing can)
    ({}, {"seed": 4}, "seed is Generator(seed=4, stream=0), was Generator(seed=3, stream=0)", "seed"),
    ({}, {"order": 8}, "rng is Generator(seed=8, stream=0), was Generator(seed=9, stream=0)", "rng"),
    ({}, {"rate": 0.5}, "model.0.rate is 0.5, was 0.2", "model.0.rate"),
    ({}, {"activation": "elu"}, "model.hidden.activation is 'elu', was 'relu'", "model.hidden"),
    ({}, {"kernel": nn.l2(0.1)}, "model.hidden.kernel_regularizer is l2(", "model"),
    ({"kernel": nn.l2(0.1)}, {"kernel": nn.l2(0.2)}, "model.hidden.kernel_regularizer is l2(", "model"),
    ({}, {"hidden": 7}, "model.hidden.n_out is 7, was 6", None),
    ({}, {"lr": 0.2}, "lr is 0.2, was 0.1", "lr"),
    ({}, {"lr": schedules.constant(0.1)}, "lr is constant(lr=0.1), was 0.1", "lr"),
    ({"lr": schedules.constant(0.1)}, {"lr": 0.2}, "lr is 0.2, was constant(lr=0.1)", "lr"),
    ({"lr": schedules.constant(0.1)}, {"lr": schedules.constant(0.2)}, "lr is constant(lr=0.2), was", "lr"),
    ({"lr": lambda step: 0.1}, {"lr": lambda step: 0.2}, "lr is <lambda> #", "lr"),
    (
        {"lr": schedules.warm_up(4, schedules.cosine(0.1, 9))},
        {"lr": schedules.warm_up(4, schedules.cosine(0.1, 8))},
        "lr is warm_up(steps=4, after=cosine(initial=0.1, period=8",
        "lr",
    ),
    ({}, {"options": {"momentum": 0.5}}, "optimizer.momentum is 0.5, was 0.9", "momentum"),
    (
        {},
        {"options": {"momentum": 0.9, "nesterov": True}},
        "optimizer.step is nesterov_step, was momentum_step",
        "optimizer",
    ),
    ({}, {"optimizer": optim.Adam, "options": {}}, "optimizer is Adam, was SGD", None),
    ({}, {"loss": nn.multiclass_hinge}, "loss is multiclass_hinge, was softmax_cross_entropy", "loss"),
    (
        {},
        {"loss": partial(nn.softmax_cross_entropy, label_smoothing=0.1)},
        "loss is softmax_cross_entropy with [] and {'label_smoothing': 0.1}, was softmax_cross_entropy",
        "loss",
    ),
    ({"loss": scaled_loss(1.0)}, {"loss": scaled_loss(2.0)}, "loss is scaled_loss.<locals>.<lambda> #", "loss"),
    ({}, {"batch_size": 15}, "batch_size is 15, was 10", "batch_size"),
    ({}, {"train": changed(TRAIN)}, "data is 30 examples with checksum", "data"),
    ({}, {"train": TRAIN[:20]}, "data is 20 examples with checksum", "data"),
    ({}, {"valid": changed(VALID)}, "valid is 10 examples with checksum", "valid"),
    ({}, {"valid": None}, "valid is None, was 10 examples", "valid"),
    ({}, {"valid": 0.2}, "valid is 0.2, was 10 examples", "valid"),
    ({}, {"more": {"accumulate": 2}}, "accumulate is 2, was 1", "accumulate"),
    ({}, {"more": {"drop_last": True}}, "drop_last is True, was False", "drop_last"),
    ({}, {"more": {"clip_norm": 1.0}}, "clip_norm is 1.0, was None", "clip_norm"),
    ({}, {"more": {"clip_value": 1.0}}, "clip_value is 1.0, was None", "clip_value"),
    ({}, {"more": {"class_weight": "balanced"}}, "weights is float32(30,) with checksum", "weights"),
    ({}, {"more": {"metrics": {"mine": nn.accuracy}}}, "metrics is ['mine'], was ['accuracy']", "metrics"),
    ({}, {"augment": augment.Augment([augment.shift(1)], (3, 4))}, "augment is Augment(", "augment"),
    (
        {"augment": augment.Augment([augment.shift(1)], (3, 4))},
        {"augment": augment.Augment([augment.shift(2)], (3, 4))},
        "augment is Augment(",
        "augment",
    ),
    (
        {"callbacks": [plateau(factor=0.5)]},
        {"callbacks": [plateau(factor=0.1)]},
        "callbacks.ReduceOnPlateau.factor is 0.1, was 0.5",
        "callbacks",
    ),
    ({}, {"callbacks": [Rare()]}, "callbacks.Rare is Rare, was absent", "callbacks.Rare"),
    ({"callbacks": [Rare()]}, {"callbacks": [Rare(4)]}, "callbacks.Rare.every is 4, was 3", "callbacks"),
    ({"callbacks": [Rare(), Rare(5)]}, {"callbacks": [Rare()]}, "callbacks.Rare#2 is absent, was Rare", "callbacks"),
]


@pytest.mark.parametrize(("before", "now", "message", "allow"), CHANGES)
def test_each_changed_argument_is_named_and_refused_unless_it_is_allowed(before, now, message, allow, tmp_path):
    run(tmp_path, **before)
    saved = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(training.ResumeError) as refused:
        run(tmp_path, 2, resume=True, **before | now)
    assert message in str(refused.value) and "resume_with=[" in str(refused.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == saved
    run(tmp_path, 2, resume=True, **before)  # the same arguments go on
    if allow is not None:
        history, _, optimizer = run(tmp_path, 3, resume=True, resume_with=(allow,), **before | now)
        assert len(history) == 3
        given = GIVEN | before | now
        expected = given["lr"] if not callable(given["lr"]) else given["lr"](optimizer.steps)
        if not given["callbacks"]:
            assert optimizer.lr == expected
        assert optimizer.groups[0].options["momentum"] == given["options"].get("momentum")


@pytest.mark.parametrize("change", [{"callbacks": [Silent()]}, {"train": data.ArrayDataset(X[:30].copy(), Y[:30])}])
def test_arguments_without_effect_on_the_numbers_may_change(change, tmp_path):
    whole = run(tmp_path / "whole", 2)[1]
    run(tmp_path / "cut")
    assert run(tmp_path / "cut", 2, resume=True, **change)[1] == whole


def test_pictures_of_other_pixels_are_other_data(tmp_path):
    """Of the same names and the same sizes."""
    image = pytest.importorskip("PIL.Image")
    paths = [tmp_path / "data" / kind / f"{i}.bmp" for kind in "ab" for i in range(3)]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.full((3, 4), i, np.uint8)).save(path)
    folder = data.ImageFolder(tmp_path / "data")
    run(tmp_path / "run", train=folder)
    run(tmp_path / "run", 2, resume=True, train=data.ImageFolder(tmp_path / "data"))
    size = paths[-1].stat().st_size
    image.fromarray(np.full((3, 4), 99, np.uint8)).save(paths[-1])
    assert paths[-1].stat().st_size == size
    with pytest.raises(training.ResumeError, match="data is 6 examples with checksum"):
        run(tmp_path / "run", 3, resume=True, train=data.ImageFolder(tmp_path / "data"))


def test_large_data_is_sampled_everywhere(monkeypatch):
    monkeypatch.setattr(checksums, "MOST_BYTES", 1000)
    monkeypatch.setattr(checksums, "BLOCKS", 10)
    monkeypatch.setattr(checksums, "BLOCK", 50)
    x = np.zeros(2000, np.uint8)
    before, noticed = checksums.of_array(x), []
    for place in range(2000):
        x[place] = 1
        noticed.append(checksums.of_array(x) != before)
        x[place] = 0
    assert sum(noticed) == 500 and noticed[0] and noticed[-1]
    monkeypatch.setattr(checksums, "MOST_BYTES", 2000)
    x[777] = 1
    assert checksums.of_array(x) == zlib.crc32(x.tobytes())


def test_an_unknown_name_in_resume_with_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(training.ResumeError, match=r"resume_with names 'rate', must be among .*lr.*model or callbacks"):
        run(tmp_path, 2, resume=True, resume_with=("rate",))


def test_the_order_of_a_begun_epoch_cannot_change(tmp_path):
    class Stop(training.Callback):
        observer = True

        def on_step_end(self, run):
            if run.step == 2:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        run(tmp_path, callbacks=[Stop()], every=1)
    with pytest.raises(training.ResumeError, match="where batch_size must not change: batch_size is 15, was 10"):
        run(tmp_path, resume=True, batch_size=15, resume_with=("batch_size",))


def test_a_rate_that_a_callback_lowered_is_the_same_run(tmp_path):
    """As in a notebook, where the optimizer of the first call is passed again."""
    minidnn.manual_seed(1)
    model = nn.Dense(12, 3)
    optimizer = optim.SGD(model.parameters(), 0.1)
    options = {"optimizer": optimizer, "batch_size": 10, "valid": VALID, "progress": False}
    options["callbacks"] = [training.ReduceOnPlateau(0.5, patience=1, min_delta=9.0), training.Checkpoint(tmp_path)]
    training.fit(model, TRAIN, epochs=3, **options)
    assert optimizer.lr < 0.1
    assert len(training.fit(model, TRAIN, epochs=4, resume=tmp_path, **options)) == 4


def test_a_forgotten_resume_keeps_the_earlier_run_until_there_is_a_new_one(tmp_path):
    run(tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    seen = []

    class Look(training.Callback):
        observer = True

        def on_step_end(self, run):
            seen.append({path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")})

    minidnn.manual_seed(7)
    model = nn.Dense(12, 3)
    training.fit(
        model,
        TRAIN,
        optimizer=optim.SGD(model.parameters(), 0.1),
        epochs=1,
        batch_size=10,
        callbacks=[Look(), training.Checkpoint(tmp_path, every=2, overwrite=True)],
        progress=False,
    )
    assert seen == [before, before, seen[2]]
    assert list(seen[2]) == ["checkpoint-0000000002.safetensors"]


def test_the_error_for_a_folder_in_use_names_the_process(tmp_path):
    code = (
        f"import sys; from minidnn.locks import in_use\nwith in_use({str(tmp_path)!r}, 'x'): print(flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    with pytest.raises(InUseError, match=rf"Checkpoint: .* is in use by process {other.pid} on .*, since 20"):
        run(tmp_path)
    other.kill()  # this releases its lock
    other.communicate()
    run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-0000000003.safetensors"]


def test_two_runs_of_one_process_cannot_share_a_folder(tmp_path):
    class Second(training.Callback):
        observer = True

        def on_step_end(self, inner):
            with pytest.raises(InUseError, match=f"in use by process {os.getpid()}"):
                run(tmp_path)

    run(tmp_path, callbacks=[Second()])
    with in_use(tmp_path, "test"):
        pass  # and it was released


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("leads", ["to a file", "nowhere", "to a folder"])
def test_a_lock_that_is_a_link_is_not_followed(tmp_path, leads):
    """Otherwise anyone who may write into the folder could have any file of the user emptied."""
    folder, target = tmp_path / "run", tmp_path / "target"
    folder.mkdir()
    (folder / ".minidnn.lock").symlink_to(target)
    if leads == "to a file":
        target.write_text("precious")
    elif leads == "to a folder":
        target.mkdir()
    with pytest.raises(OSError, match="test: the lock of this folder must be a plain file"), in_use(folder, "test"):
        pass
    assert target.exists() == (leads != "nowhere") and (not target.is_file() or target.read_text() == "precious")


def test_a_run_that_fails_to_start_releases_the_folder(tmp_path):
    run(tmp_path)
    for _ in range(2):
        with pytest.raises(FileExistsError, match="holds checkpoints of an earlier run"):
            run(tmp_path)


def test_text_from_a_file_is_shortened_and_escaped():
    (message,) = identity.differences({"lr": "0.1\x1b[31m" + "x" * 10_000}, {"lr": "0.2"}).values()
    assert message.isprintable() and message.startswith("lr is 0.2, was 0.1?[31mxxx") and len(message) < 250


# The command

BASE = ["train", "--data", "digits", "--epochs", "1", "--hidden", "8", "--batch-size", "60", "--lr", "0.1"]
OPTIONS = [
    (["--seed", "7"], "seed is Generator(seed=7"),
    (["--lr", "0.2"], "lr is constant(lr=0.2), was constant(lr=0.1)"),
    (["--activation", "elu"], "model.hidden1.activation is 'elu', was 'relu'"),
    (["--hidden", "9"], "model.hidden1.n_out is 9, was 8"),
    (["--hidden", "8,8"], "model.hidden2 is Dense, was absent"),
    (["--optimizer", "nesterov"], "optimizer.step is nesterov_step"),
    (["--optimizer", "sgd"], "optimizer.momentum is 0.0, was 0.9"),
    (["--batch-size", "50"], "batch_size is 50, was 60"),
    (["--json"], None),
    (["--threads", "1"], None),
    (["--epochs", "2"], None),
    (["--checkpoint-every", "3"], None),
    (["--lr", "0.2", "--resume-with", "lr"], None),
    (["--lr", "0.2", "--batch-size", "50", "--resume-with", "lr,batch_size"], None),
]


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_the_command_resumes_only_the_same_run(options, message, tmp_path, capsys):
    threads = minidnn.get_num_threads()
    try:
        assert main([*BASE, "--output", str(tmp_path)]) == 0
        model = (tmp_path / "model.safetensors").read_bytes()
        capsys.readouterr()
        code = main([*BASE, "--output", str(tmp_path), "--resume", *options])
    finally:
        minidnn.set_num_threads(threads)
    error = capsys.readouterr().err
    if message is None:
        assert code == 0, error
    else:
        assert code == 2 and message in error and "--resume-with" in error
        assert (tmp_path / "model.safetensors").read_bytes() == model
    assert not (tmp_path / ".minidnn.lock").exists()


def test_the_command_refuses_a_folder_in_use(tmp_path, capsys):
    with in_use(tmp_path, "test"):
        assert main([*BASE, "--output", str(tmp_path)]) == 2
    assert f"train: {tmp_path} is in use by process {os.getpid()}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
