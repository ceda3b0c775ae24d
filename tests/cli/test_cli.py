"""The command `minidnn`, as a user calls it."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import minidnn
from minidnn import nn, training
from minidnn.cli import main, published

pytestmark = pytest.mark.usefixtures("blank_pictures")
COMMAND = Path(sysconfig.get_path("scripts")) / ("minidnn.exe" if os.name == "nt" else "minidnn")


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, folder, **environment):
    return subprocess.run(
        [COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, env=os.environ | environment
    )


def test_train_prints_a_table_and_writes_model_and_picture(in_folder):
    done = call("train", "--epochs", "1", "--hidden", "100", folder=in_folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("784-100-10 relu, momentum, exponential(initial=0.1")
    assert lines[2].split()[:3] == ["epoch", "lr", "loss"] and lines[2].split()[-1] == "test_accuracy"
    row = dict(zip(lines[2].split(), lines[3].split(), strict=True))
    assert row["epoch"] == "1" and float(row["test_accuracy"]) > 0.93
    assert "saved runs/train/model.safetensors" in lines
    model = minidnn.load(in_folder / "runs/train/model.safetensors")
    test = minidnn.data.load_mnist().test
    assert minidnn.training.evaluate(model, test).accuracy == pytest.approx(float(row["test_accuracy"]), abs=5e-5)


def test_json_is_one_document_and_threads_change_no_byte(in_folder):
    models = []
    for threads in ("1", "3"):
        options = ("--epochs", "1", "--hidden", "20", "--optimizer", "nesterov", "--activation", "elu", "--json")
        done = call("train", *options, "--threads", threads, "--output", f"out{threads}", folder=in_folder)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["threads"] == int(threads) and document["config"]["hidden"] == [20]
        assert len(document["epochs"]) == 1 and document["epochs"][0]["test_accuracy"] > 0.9
        models.append((in_folder / document["model"]).read_bytes())
    assert models[0] == models[1]


def test_python_m_and_version(in_folder):
    done = subprocess.run([sys.executable, "-P", "-m", "minidnn", "--version"], capture_output=True, text=True)
    assert done.stdout == f"minidnn {minidnn.__version__}\n"


def test_config(capsys):
    assert main(["config"]) == 0
    assert "instruction set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "argument --epochs: must be an integer of at least 1, got '0'"),
        (["--epochs", "many"], "argument --epochs: must be an integer of at least 1, got 'many'"),
        (["--batch-size", "-5"], "argument --batch-size: must be an integer"),
        (["--hidden", "300,,50"], "argument --hidden: must be sizes"),
        (["--hidden", "0"], "argument --hidden: must be sizes"),
        (["--hidden", "9999999999"], "argument --hidden: must be sizes"),
        (["--activation", "rleu"], "argument --activation: invalid choice: 'rleu'"),
        (["--optimizer", "adm"], "argument --optimizer: invalid choice: 'adm'"),
        (["--lr", "nan"], "argument --lr: must be a finite number above 0, got 'nan'"),
        (["--lr", "-1"], "argument --lr: must be a finite number above 0"),
        (["--seed", "-1"], "argument --seed: must be an integer in [0, 2**64)"),
        (["--threads", "5000"], "minidnn train: set_num_threads: n must be in [1, 1024], got 5000"),
        (["--output", "file/out"], "minidnn train: "),
        (["--no-such"], "unrecognized arguments: --no-such"),
    ],
)
def test_bad_values_give_one_clear_line_and_exit_code_2(in_folder, capsys, arguments, message):
    (in_folder / "file").write_text("not a folder")
    try:
        code = main(["train", *arguments])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_without_matplotlib_the_message_names_the_extra(in_folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["train", "--epochs", "1", "--hidden", "5", "--batch-size", "500"]) == 0
    assert 'pip install "minidnn[plot]"' in capsys.readouterr().out
    assert (in_folder / "runs/train/model.safetensors").exists()


def trained_on(source, *more):
    assert main(["train", "--data", str(source), "--hidden", "8", "--epochs", "30", "--batch-size", "8", *more]) == 0
    return minidnn.load("runs/train/model.safetensors")


def test_train_on_the_small_digits(in_folder, capsys):
    trained_on("digits", "--epochs", "5")
    assert capsys.readouterr().out.startswith("64-8-10 relu, momentum")


@pytest.mark.parametrize("scale", [1e-3, 1e-12, 1e12])
def test_the_standardization_of_a_table_is_folded_into_the_model(in_folder, capsys, scale):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2)) * [1000, scale] + [5000, 0]
    lines = [f"{a},{'over' if a > 5000 else 'under'},{b}" for a, b in x]
    (in_folder / "t.csv").write_text("\n".join(["a,side,b", *lines]))
    model = trained_on("t.csv", "--label", "side", "--resume")
    logits = training.predict(model, x.astype(np.float32))
    assert nn.accuracy(logits, (x[:, 0] <= 5000).astype(int)) > 0.95
    standardized = model[:1](x.astype(np.float32)).data
    assert np.allclose(standardized.std(axis=0), 1, atol=0.2) and np.abs(standardized.mean(axis=0)).max() < 0.2
    assert capsys.readouterr().out.startswith("2-8-2 relu")
    before = Path("runs/train/model.safetensors").read_bytes()
    trained_on("t.csv", "--label", "1", "--resume")  # the run is complete
    assert Path("runs/train/model.safetensors").read_bytes() == before


@pytest.mark.parametrize(("activation", "kind"), [("relu", nn.Dropout), ("selu", nn.AlphaDropout)])
def test_train_with_dropout_after_each_hidden_layer(in_folder, capsys, activation, kind):
    options = ["--data", "digits", "--epochs", "1", "--hidden", "8,8", "--activation", activation]
    assert main(["train", *options, "--dropout", "0.25"]) == 0
    assert f"64-8-8-10 {activation}, dropout 0.25, momentum" in capsys.readouterr().out
    layers = minidnn.load(in_folder / "runs/train/model.safetensors").layers
    assert [type(layer) for layer in layers] == [nn.Dense, kind, nn.Dense, kind, nn.Dense]
    assert layers[1].rate == layers[3].rate == 0.25


def test_train_on_pictures(in_folder, capsys):
    image = pytest.importorskip("PIL.Image")
    for name, grey in (("dark", 20), ("light", 230)):
        (in_folder / "photos" / name).mkdir(parents=True)
        for i in range(20):
            image.new("L", (3, 2), grey + i).save(in_folder / "photos" / name / f"{i}.png")
    trained_on("photos")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("6-8-2 relu") and out[-1].startswith("test accuracy 100.00 %; next: minidnn predict ")


@pytest.mark.parametrize(
    ("source", "content", "message"),
    [
        ("mnits", None, "--data is 'mnits', must be mnist, fashion-mnist, digits, a folder, a table (.csv), or a "),
        ("none.csv", None, "No such file or directory: 'none.csv'"),
        ("t.csv", "a,y\n1,no\n2,yes\n", "t.csv has 2 examples: too few"),
        ("t.csv", "a,y\n" + "1,no\n" * 50, "t.csv has 50 examples that all have the label 'no': nothing to learn"),
        ("t.csv", "a,y\nred,0\n", "column 'a' has 'red', must be a number"),
    ],
)
def test_invalid_data_is_reported_with_exit_code_2(in_folder, capsys, source, content, message):
    if content:
        (in_folder / source).write_text(content)
    assert main(["train", "--data", source]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("optimizer", ["adam", "ftrl"])
def test_train_uses_the_default_rate_of_the_optimizer(in_folder, capsys, optimizer):
    assert main(["train", "--epochs", "1", "--hidden", "5", "--batch-size", "500", "--optimizer", optimizer]) == 0
    assert f"{optimizer}, constant(lr=0.001), batches of 500" in capsys.readouterr().out


def test_reproduce_prints_published_and_measured_values_and_writes_results_and_picture(in_folder):
    pytest.importorskip("matplotlib")
    done = call("reproduce", "l1-manual", "--seeds", "2", "--epochs", "1", folder=in_folder)
    assert done.returncode == 0, done.stderr
    first = next(line.split() for line in done.stdout.splitlines() if line.strip().startswith("1 "))
    published, median, lowest, highest = map(float, first[1:])
    assert published == 0.8357 and 0.8 < lowest < median < highest < 0.88
    results = json.loads((in_folder / "runs/reproduce/results.json").read_text())["experiments"]["l1-manual"]
    assert sorted(run[0] for run in results["runs"]) == pytest.approx([lowest, highest], abs=5e-5)
    assert results["verdict"].startswith("published lies ") and results["published"]["5"] == 0.8954
    assert (in_folder / "runs/reproduce/l1-manual.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("finals", "verdict"), [((0.7, 0.9), "in our range"), ((0.9, 0.95), "below"), ((0.6, 0.7), "above")]
)
def test_the_verdict_compares_the_last_epoch(finals, verdict):
    outcome = published.Outcome("x", {1: 0.1, 2: 0.8}, [[0.5, final] for final in finals], 1.0)
    assert verdict in outcome.verdict


def test_reproduce_refuses_an_unknown_experiment(in_folder, capsys):
    assert main(["reproduce", "dropuot"]) == 2
    assert "NAME is 'dropuot', must be one of lr-schedule, l1-manual" in capsys.readouterr().err
