"""minidnn compile, predict and bench."""

import json
import sys

import numpy as np
import pytest

import minidnn
from minidnn import data, deploy, nn
from minidnn.cli import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network that knows digits, in a file."""
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


def test_compile_prunes_and_quantizes(trained, tmp_path, capsys):
    path = tmp_path / "fast.mdnn"
    assert main(["compile", str(trained), "-o", str(path), "--prune", "0.9", "--int8", "--sparse", "always"]) == 0
    out = capsys.readouterr().out
    assert "sparse int8" in out and "have another class" in out and f"saved {path}: " in out
    model = deploy.load(path)
    assert model.density == pytest.approx(0.1, abs=0.01)
    assert trained.stat().st_size > 10 * path.stat().st_size


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


def test_predict_prints_a_line_an_example(compiled, tmp_path, capsys):
    capsys.readouterr()
    np.save(tmp_path / "a.npy", data.load_mnist().test.x[0])
    assert main(["predict", str(compiled), str(tmp_path / "a.npy")]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith(f"{tmp_path / 'a.npy'}[0]: 7 (") and line.endswith("%)")


def test_without_pillow_it_says_how_to_get_it(compiled, tmp_path, monkeypatch, capsys):
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
        (["compile", "small", "--int8"], "--int8 needs --calibration"),
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
