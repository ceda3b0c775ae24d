"""minidnn compile, predict and bench."""

import json
import re
import sys

import numpy as np
import pytest

import minidnn
from minidnn import data, deploy, nn
from minidnn.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network trained on digits, in a file."""
    minidnn.manual_seed(1)
    mnist = data.load_mnist()
    model = nn.Sequential(nn.Dense(784, 50, "relu", name="hidden1"), nn.BatchNorm(50), nn.Dense(50, 10, name="outputs"))
    optimizer = minidnn.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    minidnn.training.fit(model, mnist.train[:10000], optimizer=optimizer, epochs=1, batch_size=50)
    path = tmp_path_factory.mktemp("trained") / "model.safetensors"
    minidnn.save(model, path)
    return path


@pytest.fixture
def compiled(trained, tmp_path):
    path = tmp_path / "fast.mdnn"
    assert main(["compile", str(trained), "-o", str(path)]) == 0
    return path


def shares(out):
    """The printed accuracy before and after, and fraction of changed classes, in percent."""
    line = next(line for line in out.splitlines() if line.startswith("accuracy on "))
    before, after = re.findall(r"([\d.]+)% \(95 % interval", line)
    return float(before), float(after), float(re.search(r"; the predicted class changed for ([\d.]+)%", line)[1])


def truth(trained, path):
    """The same values computed from the models, on the validation images."""
    valid = data.load_mnist().valid
    before = minidnn.training.predict(minidnn.load(trained), valid.images).argmax(axis=1)
    after = deploy.load(path).predict(valid.x).argmax(axis=1)
    return tuple(100 * np.mean(right) for right in (before == valid.y, after == valid.y, before != after))


@pytest.mark.parametrize("options", [["--prune", "0.5"], ["--prune", "0.95", "--int8"], ["--int8"], ["--bfloat16"], []])
def test_compile_reports_the_loss_of_accuracy_of_the_given_model(trained, tmp_path, capsys, options):
    path = tmp_path / "fast.mdnn"
    assert main(["compile", str(trained), "-o", str(path), "--force", *options]) == 0
    assert shares(capsys.readouterr().out) == pytest.approx(truth(trained, path), abs=0.006)


def test_compile_prunes_and_quantizes(trained, tmp_path, capsys):
    path = tmp_path / "fast.mdnn"
    options = ["--prune", "0.9", "--int8", "--sparse", "always", "--force"]
    assert main(["compile", str(trained), "-o", str(path), *options]) == 0
    out = capsys.readouterr().out
    assert "sparse int8" in out and "the predicted class changed for" in out and f"saved {path}: " in out
    model = deploy.load(path)
    assert model.density == pytest.approx(0.1, abs=0.01)
    assert trained.stat().st_size > 10 * path.stat().st_size


def test_compile_prunes_globally(trained, tmp_path):
    path, model = tmp_path / "fast.mdnn", minidnn.load(trained)
    assert main(["compile", str(trained), "-o", str(path), "--prune", "0.5", "--force"]) == 0
    deploy.prune(model, fraction=0.5, scope="global")
    x = data.load_mnist().valid.x[:50]
    np.testing.assert_array_equal(deploy.load(path).predict(x), deploy.compile(model).predict(x))


def test_compile_stops_where_too_much_is_lost(trained, tmp_path, capsys):
    path, ruined = tmp_path / "fast.mdnn", ["--prune", "0.98"]
    path.write_bytes(b"what was there before")
    assert main(["compile", str(trained), "-o", str(path), *ruined]) == 1
    streams = capsys.readouterr()
    assert path.read_bytes() == b"what was there before"
    assert "the accuracy falls by" in streams.err and "--limit is 1;" in streams.err and "--force" in streams.err
    before, after, _ = shares(streams.out)
    assert before - after > 1
    assert main(["compile", str(trained), "-o", str(path), *ruined, "--limit", f"{before - after + 0.1:.1f}"]) == 0
    assert shares(capsys.readouterr().out)[1] == after


def test_compile_without_labels_bounds_the_loss_by_changed_classes(tmp_path, capsys):
    minidnn.manual_seed(0)
    minidnn.save(nn.Sequential(nn.Dense(20, 30, "relu"), nn.Dense(30, 10)), tmp_path / "a.safetensors")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((500, 20)))
    command = ["compile", str(tmp_path / "a.safetensors"), "--prune", "0.9"]
    assert main(command) == 1
    assert "there is nothing to measure the accuracy on; give --data" in capsys.readouterr().err
    assert main([*command, "--calibration", str(tmp_path / "x.npy")]) == 1
    assert "of the predicted classes change, --limit is" in capsys.readouterr().err
    assert not (tmp_path / "a.mdnn").exists()
    assert main([*command, "--force"]) == 0
    assert (tmp_path / "a.mdnn").exists()


def test_compile_does_not_assume_mnist_for_every_model_of_its_size(tmp_path, capsys):
    minidnn.manual_seed(0)
    minidnn.save(nn.Dense(784, 10), tmp_path / "a.safetensors")
    assert main(["compile", str(tmp_path / "a.safetensors"), "--prune", "0.5"]) == 1
    streams = capsys.readouterr()
    assert "nothing to measure the accuracy on" in streams.err and "accuracy on" not in streams.out


def test_compile_measures_on_the_data_that_is_named(tmp_path, capsys):
    minidnn.manual_seed(0)
    digits = data.load_digits_sample()
    model = nn.Sequential(nn.Dense(64, 30, "relu"), nn.Dense(30, 10))
    optimizer = minidnn.optim.Adam(model.parameters())
    minidnn.training.fit(model, digits.train, optimizer=optimizer, epochs=5, batch_size=50, progress=False)
    path = tmp_path / "a.safetensors"
    minidnn.save(model, path)
    assert main(["compile", str(path), "--data", "digits", "--int8", "--force"]) == 0
    before, _, _ = shares(capsys.readouterr().out)
    assert before == pytest.approx(100 * minidnn.training.evaluate(model, digits.valid).accuracy, abs=0.006)


def test_the_output_is_named_after_the_model(trained, tmp_path, monkeypatch, capsys):
    copy = tmp_path / "digits.safetensors"
    copy.write_bytes(trained.read_bytes())
    assert main(["compile", str(copy), "--bfloat16"]) == 0
    assert "dense bfloat16" in capsys.readouterr().out
    assert deploy.load(tmp_path / "digits.mdnn").n_in == 784


def predictions(capsys, *arguments):
    assert main(["predict", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_predict_reads_idx_npy_and_pictures_alike(compiled, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    capsys.readouterr()
    test = data.load_mnist().test[:20]
    images = test.x.reshape(20, 28, 28)
    data.save_idx(tmp_path / "a.idx3-ubyte.gz", images)
    np.save(tmp_path / "a.npy", test.images)
    image.fromarray(images[0]).save(tmp_path / "a.png")
    image.fromarray(255 - images[0]).save(tmp_path / "dark.png")
    of_idx = predictions(capsys, compiled, tmp_path / "a.idx3-ubyte.gz")
    of_npy = predictions(capsys, compiled, tmp_path / "a.npy")
    of_picture = predictions(capsys, compiled, tmp_path / "a.png")
    inverted = predictions(capsys, compiled, tmp_path / "dark.png", "--invert")
    assert [row["class"] for row in of_idx] == [row["class"] for row in of_npy]
    assert sum(row["class"] == label for row, label in zip(of_idx, test.y, strict=True)) >= 17
    assert of_picture[0]["class"] == inverted[0]["class"] == of_idx[0]["class"]
    assert of_picture[0]["probability"] == pytest.approx(of_idx[0]["probability"], abs=1e-5)
    logits = deploy.load(compiled).predict(test.x[:1]).astype(np.float64)[0]
    assert of_idx[0]["probability"] == pytest.approx(np.exp(logits.max()) / np.exp(logits).sum(), abs=1e-5)


def test_predict_prints_one_line_per_example(compiled, tmp_path, capsys):
    capsys.readouterr()
    np.save(tmp_path / "a.npy", data.load_mnist().test.x[0])
    assert main(["predict", str(compiled), str(tmp_path / "a.npy")]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith(f"{tmp_path / 'a.npy'}[0]: 7 (") and line.endswith("%)")


def test_without_pillow_the_error_names_the_extra(compiled, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert main(["predict", str(compiled), str(tmp_path / "a.png")]) == 2
    assert 'pip install "minidnn[images]"' in capsys.readouterr().err


def test_bench_prints_percentiles(compiled, capsys):
    capsys.readouterr()
    assert main(["bench", str(compiled), "--batch-sizes", "1,7", "--seconds", "0.01", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["batch"] for row in document["batches"]] == [1, 7]
    assert all(0 < row["p50"] <= row["p90"] <= row["p99"] and row["calls"] >= 10 for row in document["batches"])
    assert main(["bench", str(compiled), "--batch-sizes", "1", "--seconds", "0.01"]) == 0
    assert "p99" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "none.safetensors"], "minidnn compile: "),
        (["compile", "model", "--prune", "1"], "argument --prune: must be a number in [0, 1), got '1'"),
        (["compile", "model", "--int8", "--bfloat16"], "argument --bfloat16: not allowed with argument --int8"),
        (["compile", "small", "--int8"], "--int8 needs examples"),
        (["predict", "none.mdnn", "a.npy"], "minidnn predict: "),
        (["predict", "model", "a.npy"], "No such file or directory: 'a.npy'"),
        (["bench", "model"], "holds no compiled model"),
        (["predict", "fast", "text.npy"], "text.npy is not a .npy file of numbers"),
        (["predict", "fast", "objects.npy"], "objects.npy is not a .npy file of numbers"),
        (["predict", "fast", "words.npy"], "words.npy holds <U1, must be numbers"),
        (["predict", "fast", "narrow.npy"], "narrow.npy has shape (2, 3), the model takes examples of 784 values"),
        (["predict", "fast", "text.idx"], "text.idx has magic number"),
        (["bench", "fast", "--batch-sizes", "0"], "argument --batch-sizes: must be sizes"),
        (["bench", "fast", "--seconds", "0"], "argument --seconds: must be a finite number above 0"),
    ],
)
def test_bad_values_give_one_clear_line_and_exit_code_2(
    trained, compiled, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    for name in ("text.npy", "text.idx"):
        (tmp_path / name).write_text("no numbers")
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "narrow.npy", np.zeros((2, 3)))
    minidnn.save(nn.Dense(3, 2), tmp_path / "small.safetensors")
    names = {"model": trained, "fast": compiled, "small": tmp_path / "small.safetensors"}
    capsys.readouterr()
    try:
        code = main([str(names.get(argument, argument)) for argument in arguments])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
