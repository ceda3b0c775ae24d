"""The workflow train, evaluate, compile, predict, for every kind of data."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, training
from minidnn.cli import main

pytestmark = pytest.mark.usefixtures("blank_pictures")
MODEL = "runs/train/model.safetensors"


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def run(capsys):
    """Calls the command; returns what it printed."""

    def run(*arguments, code=0):
        capsys.readouterr()
        got = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert got == code, err
        return out if code == 0 else err

    return run


def write(name, columns, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def irises(n, seed, names=("setosa", "versicolor", "a \x1b[31mred one")):
    """Three clouds of points, a column of text and one of names."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % 3
    widths = rng.normal(kinds * 100.0, 10).round(2)
    ports = np.array(["C", "Q", "S"])[rng.integers(0, 3, n)]
    return [(f"n{i}", w, port, names[k]) for i, (w, port, k) in enumerate(zip(widths, ports, kinds, strict=True))]


TRAIN = ("--hidden", "8", "--epochs", "20", "--batch-size", "8", "--optimizer", "momentum")
TABLE = ("--ignore", "name", "--category", "port", *TRAIN)
COLUMNS = ("name", "width", "port", "kind")


@pytest.mark.parametrize("kind", ["trained", "compiled"])
def test_a_table_of_classes(run, kind):
    write("cls.csv", COLUMNS, irises(150, 1))
    write("test.csv", COLUMNS, irises(60, 2))
    out = run("train", "--data", "cls.csv", *TABLE)
    assert out.splitlines()[-1] == f"test accuracy 100.00 %; next: minidnn predict {MODEL} FILE"
    model = MODEL
    if kind == "compiled":
        run("compile", MODEL, "-o", "fast.mdnn", "--int8", "--calibration", "cls.csv")
        model = "fast.mdnn"
        assert "15 validation examples" in run("compile", MODEL, "-o", "x.mdnn", "--int8", "--data", "cls.csv")
    document = json.loads(run("evaluate", model, "test.csv", "--json"))
    assert document["examples"] == 60 and document["accuracy"] > 0.97 and 0 < document["loss"] < 0.5
    assert "accuracy " in run("evaluate", model, "test.csv")
    # new.csv has other columns in another order, no label and no name
    new = irises(9, 3)
    write("new.csv", ("port", "width"), [(port, width) for _, width, port, _ in new])
    rows = json.loads(run("predict", model, "new.csv", "--json"))
    assert [row["class"] for row in rows] == [kind for *_, kind in new] and rows[0]["example"] == 0
    assert all(0.5 < row["probability"] <= 1 and row["file"] == "new.csv" for row in rows)
    table = list(csv.DictReader(io.StringIO(run("predict", model, "new.csv", "--csv"))))
    assert [row["class"] for row in table] == [row["class"] for row in rows]
    lines = run("predict", model, "new.csv").splitlines()
    assert len(lines) == 9 and lines[0].startswith("new.csv[0]: setosa (")
    assert lines[2].startswith("new.csv[2]: a \\x1b[31mred one (")  # no escape sequence
    write("more.csv", ("width", "port"), [(1, "Z")])
    error = run("predict", model, "more.csv", code=2)
    assert "line 2: column 'port' has 'Z', must be one of 'C', 'Q', 'S'; --unknown zeros reads others" in error
    assert len(run("predict", model, "more.csv", "--unknown", "zeros").splitlines()) == 1
    write("extra.csv", ("width", "port", "id"), [(1, "C", 7)])
    error = run("predict", model, "extra.csv", code=2)
    assert "has a column 'id' that like does not have; leave it out with --ignore 'id'" in error
    assert len(run("predict", model, "extra.csv", "--ignore", "id").splitlines()) == 1
    write("less.csv", ("width",), [(1,)])
    assert "must have one column 'port'" in run("predict", model, "less.csv", code=2)


def prices(n, seed):
    rng = np.random.default_rng(seed)
    rooms, areas = rng.integers(1, 9, n), rng.uniform(20, 200, n).round(1)
    return [(r, a, round(50_000 + 20_000 * r + 1000 * a)) for r, a in zip(rooms.tolist(), areas.tolist(), strict=True)]


WHOLE = {"prices": [1000 + 7 * i for i in range(60)], "ratings": [1 + i % 5 for i in range(60)], "0 and 1": [0, 1] * 30}


@pytest.mark.parametrize("labels", WHOLE)
def test_auto_never_guesses_where_labels_could_be_either(run, labels):
    write("t.csv", ("x", "y"), list(enumerate(WHOLE[labels])))
    error = run("train", "--data", "t.csv", *TRAIN, code=2)
    assert error.count("\n") == 1 and "give --task classification or --task regression" in error
    np.save("x.npy", np.arange(60.0)[:, np.newaxis])
    np.save("y.npy", np.array(WHOLE[labels]))
    error = run("train", "--data", "x.npy", "--labels", "y.npy", *TRAIN, code=2)
    assert "the labels of y.npy are integers" in error
    out = run("train", "--data", "t.csv", "--task", "classification", *TRAIN)
    assert f"1-8-{len(set(WHOLE[labels]))} relu" in out
    model = minidnn.models.read_meaning(MODEL)
    assert model.classes == tuple(map(str, sorted(set(WHOLE[labels])))) and model.label == "y"


@pytest.mark.parametrize("kind", ["trained", "compiled"])
@pytest.mark.parametrize("labels", ["whole", "fractions"])
def test_a_table_of_numbers(run, kind, labels):
    to_unit = (lambda y: y) if labels == "whole" else (lambda y: y / 1000 + 0.25)
    for name, n, seed in (("price.csv", 300, 1), ("test.csv", 50, 2)):
        write(name, ("rooms", "area", "price"), [(r, a, to_unit(y)) for r, a, y in prices(n, seed)])
    options = ("--epochs", "60", "--hidden", "20", "--batch-size", "10", "--optimizer", "adam", "--lr", "0.01")
    task = ("--task", "regression") if labels == "whole" else ()
    out = run("train", "--data", "price.csv", *task, *options)
    last = re.fullmatch(rf"test error (\S+), R2 (\S+); next: minidnn predict {MODEL} FILE", out.splitlines()[-1])
    assert last and float(last[2]) > 0.98 and float(last[1]) < to_unit(320_000) - to_unit(300_000)
    model = MODEL
    if kind == "compiled":
        run("compile", MODEL, "-o", "fast.mdnn")
        model = "fast.mdnn"
    document = json.loads(run("evaluate", model, "test.csv", "--json"))
    assert document["r2"] > 0.98 and document["examples"] == 50
    new = prices(9, 3)
    write("new.csv", ("area", "rooms"), [(a, r) for r, a, _ in new])
    rows = json.loads(run("predict", model, "new.csv", "--json"))
    truth = np.array([to_unit(y) for *_, y in new])
    np.testing.assert_allclose([row["value"] for row in rows], truth, rtol=0.2)
    assert float(run("predict", model, "new.csv").splitlines()[0].split(": ")[1]) == pytest.approx(rows[0]["value"])
    error = run("train", "--data", "price.csv", "--task", "regression", "--class-weight", "balanced", code=2)
    assert "--class-weight is for classification, the task is regression" in error


def saved_regression(path):
    """A model of two columns that gives 100 + 20 x + 3 y, as `minidnn train` would leave one."""
    model = nn.Sequential(nn.Dense(2, 1, name="outputs"))
    model.load_state_dict({"outputs.kernel": np.float32([[20], [3]]), "outputs.bias": np.float32([100])})
    columns = (data.Column("x"), data.Column("y"))
    minidnn.save(model, path, meaning=data.Meaning("regression", "price", columns=("x", "y"), source=columns))


def test_evaluate_and_predict_use_the_unit_of_the_label(run):
    saved_regression("model.safetensors")
    run("compile", "model.safetensors", "-o", "fast.mdnn")
    write("test.csv", ("y", "price", "x"), [(1, 124, 1), (2, 126, 1), (0, 100, 0)])  # errors -1, 0, 0
    write("new.csv", ("y", "x"), [(1, 50_000), (0.5, 0)])
    spread = np.array([124, 126, 100]).var() * 3
    for model in ("model.safetensors", "fast.mdnn"):
        document = json.loads(run("evaluate", model, "test.csv", "--json"))
        assert document["mae"] == pytest.approx(1 / 3) and document["rmse"] == pytest.approx(np.sqrt(1 / 3))
        assert document["r2"] == pytest.approx(1 - 1 / spread)
        assert run("evaluate", model, "test.csv").startswith("price, 3 examples\nmae  ")
        assert run("predict", model, "new.csv") == "new.csv[0]: 1000103\nnew.csv[1]: 101.5\n"
        assert [row["value"] for row in json.loads(run("predict", model, "new.csv", "--json"))] == [1000103, 101.5]
        assert run("predict", model, "new.csv", "--csv").splitlines()[1:] == ["new.csv,0,1000103.0", "new.csv,1,101.5"]


def test_compile_does_not_compare_classes_of_a_regression_model(run):
    saved_regression("model.safetensors")  # its outputs are 100 and more, above any threshold, also with int8
    write("new.csv", ("x", "y"), [(x, 3 * x) for x in range(50)])
    options = ("--int8", "--calibration", "new.csv", "-o", "fast.mdnn")
    error = run("compile", "model.safetensors", *options, code=1)
    assert "the outputs are numbers, which change by" in error and "give --force" in error
    assert not Path("fast.mdnn").exists()
    assert "saved fast.mdnn" in run("compile", "model.safetensors", *options, "--force")


def test_a_model_saved_in_python_with_its_meaning(run):
    """Standardization, means for empty cells, and classes come from the model and are not given again."""
    rows = [(w if i % 7 else "", port, kind) for i, (_, w, port, kind) in enumerate(irises(150, 1, ("a", "b", "c")))]
    write("cls.csv", ("width", "port", "kind"), rows)
    table = data.load_csv("cls.csv", "kind", categories=["port"], missing="indicator")
    scaled = data.Standardize(table)(table)
    model = nn.Sequential(nn.Dense(5, 3))
    optimizer = minidnn.optim.Adam(model.parameters(), 0.05)
    training.fit(model, scaled, optimizer=optimizer, epochs=20, batch_size=10, progress=False)
    minidnn.save(model, "model.safetensors", meaning=scaled.meaning)
    run("compile", "model.safetensors", "-o", "fast.mdnn")
    expected = training.evaluate(model, scaled)
    best = training.predict(model, scaled.inputs).argmax(axis=1)
    for file in ("model.safetensors", "fast.mdnn"):
        document = json.loads(run("evaluate", file, "cls.csv", "--json"))
        assert document["accuracy"] == pytest.approx(expected.accuracy)
        assert document["loss"] == pytest.approx(expected.loss, rel=1e-4)
        rows = json.loads(run("predict", file, "cls.csv", "--json"))
        assert [row["class"] for row in rows] == [table.classes[k] for k in best]


@pytest.fixture
def photos(in_folder):
    image = pytest.importorskip("PIL.Image")
    for part, n in (("photos", 20), ("more", 3)):
        for name, grey in (("dark", 20), ("light", 230)):
            (in_folder / part / name).mkdir(parents=True)
            for i in range(n):
                image.new("L", (6, 4), grey + i).save(in_folder / part / name / f"{i}.png")
    return in_folder


@pytest.mark.parametrize("size", [(), ("--image-size", "4x4")])
def test_a_folder_of_pictures(run, photos, size):
    image = pytest.importorskip("PIL.Image")
    out = run("train", "--data", "photos", *size, *TRAIN, "--valid", "more")
    assert out.splitlines()[-1].startswith("validation accuracy 100.00 %; next: minidnn predict ")
    assert json.loads(run("evaluate", MODEL, "more", "--json"))["examples"] == 6
    rows = json.loads(run("predict", MODEL, "more/light", "more/dark/0.png", "--json"))
    assert [row["class"] for row in rows] == ["light"] * 3 + ["dark"]
    inverted = json.loads(run("predict", MODEL, "more/dark/0.png", "--invert", "--json"))
    assert inverted[0]["class"] == "light"
    image.new("L", (5, 5), 230).save("other.png")
    if not size:
        image.new("L", (5, 5), 230).save("photos/dark/other.png")
        error = run("train", "--data", "photos", code=2)
        assert "other.png is 5 x 5, must be 4 x 6; --image-size 4x6 resizes pictures" in error
    if size:
        assert "light" in run("predict", MODEL, "other.png")
    else:
        assert "other.png is 5 x 5, must be 4 x 6" in run("predict", MODEL, "other.png", code=2)
    (photos / "more" / "ants").mkdir()
    image.new("L", (6, 4)).save(photos / "more" / "ants" / "x.png")
    error = run("evaluate", MODEL, "more", code=2)
    assert "has a folder 'ants', must have those of the classes 'dark', 'light'" in error


@pytest.mark.parametrize("suffix", [".npy", ".idx.gz", ".idx"])
@pytest.mark.parametrize("axes", [1, 2])
def test_arrays(run, suffix, axes):
    """Bytes or floats, rows or pictures."""
    rng = np.random.default_rng(1)
    y = np.arange(90) % 3
    x = rng.integers(0, 80, (90, 2, 3)) + 80 * y[:, np.newaxis, np.newaxis]
    x = (x.reshape(90, 6) if axes == 1 else x).astype(np.uint8 if axes == 2 else np.float32)
    save = np.save if suffix == ".npy" else data.save_idx
    for name, array in (("x", x), ("y", y.astype(np.uint8)), ("new", x[:5])):
        save(f"{name}{suffix}", array)
    task = ("--task", "classification") if suffix == ".npy" else ()
    run("train", "--data", f"x{suffix}", "--labels", f"y{suffix}", *task, "--epochs", "40", *TRAIN[:2], *TRAIN[4:])
    document = json.loads(run("evaluate", MODEL, f"x{suffix}", "--labels", f"y{suffix}", "--json"))
    assert document["accuracy"] > 0.95
    rows = json.loads(run("predict", MODEL, f"new{suffix}", "--json"))
    model = minidnn.load(MODEL)
    inputs = x.reshape(90, 6).astype(np.float32) / np.float32(255 if axes == 2 else 1)
    assert [int(row["class"]) for row in rows] == training.predict(model, inputs[:5]).argmax(axis=1).tolist()
    assert minidnn.models.read_meaning(MODEL).image_shape == ((2, 3) if axes == 2 else ())
    assert "give them with --labels FILE" in run("evaluate", MODEL, f"x{suffix}", code=2)
    if axes == 2:  # integers that are no bytes: their scale is unknown
        save(f"wide{suffix}", x.astype(np.int32))
        for arguments in (
            ("predict", MODEL, f"wide{suffix}"),
            ("evaluate", MODEL, f"wide{suffix}", "--labels", "y.npy"),
        ):
            np.save("y.npy", y)
            assert "but the model learned from bytes" in run(*arguments, code=2)
    save(f"other{suffix}", np.full(90, 7, np.uint8))
    error = run("evaluate", MODEL, f"x{suffix}", "--labels", f"other{suffix}", code=2)
    assert "has a label 7, must be one of the classes 0, 1, 2" in error


def test_a_packaged_data_set(run):
    run("train", "--data", "digits", *TRAIN)
    assert json.loads(run("evaluate", MODEL, "digits", "--json"))["accuracy"] > 0.8
    assert "image_shape of the data: (28, 28), must be (8, 8)" in run("evaluate", MODEL, "mnist", code=2)
    assert minidnn.models.read_meaning(MODEL).classes == tuple("0123456789")


def test_a_validation_table_is_given(run):
    write("cls.csv", COLUMNS, irises(150, 1))
    write("valid.csv", tuple(reversed(COLUMNS)), [tuple(reversed(row)) for row in irises(30, 2)])
    out = run("train", "--data", "cls.csv", *TABLE, "--valid", "valid.csv", "--json")
    document = json.loads(out)
    assert document["validation"]["examples"] == 30 and "test" not in document
    assert document["epochs"][-1]["valid_accuracy"] == document["validation"]["accuracy"]
    write("other.csv", COLUMNS, [("n", 1, "Z", "setosa")])
    assert "column 'port' has 'Z'" in run("train", "--data", "cls.csv", *TABLE, "--valid", "other.csv", code=2)


@pytest.mark.parametrize(("share", "held_back"), [(None, 15), ("0.2", 30), ("0.3", 45)])
def test_the_fraction_that_is_held_out(run, share, held_back):
    write("cls.csv", COLUMNS, irises(150, 1))
    split = () if share is None else ("--split", share)
    document = json.loads(run("train", "--data", "cls.csv", *TABLE, *split, "--json"))
    assert document["test"]["examples"] == held_back


WRONG = {
    "a table's option": (("--data", "digits", "--label", "y"), "--label is for a table, --data is digits"),
    "another": (("--data", "x.npy", "--category", "a"), "--category is for a table, --data is a .npy or IDX file"),
    "a split that is there": (
        ("--data", "mnist", "--split", "0.2"),
        "--split is for data of your own, --data is mnist",
    ),
    "both": (("--data", "cls.csv", "--split", "0.2", "--valid", "cls.csv"), "give one of them"),
    "labels of nothing": (("--data", "x.npy", "--valid-labels", "x.npy"), "--valid-labels needs --valid"),
    "classes that are said": (("--data", "digits", "--task", "regression"), "the labels of digits are classes"),
    "another kind of validation data": (
        ("--data", "cls.csv", "--valid", "x.npy"),
        "--valid is a .npy or IDX file, must be",
    ),
    "validation data that are not there": (("--data", "cls.csv", "--valid", "none"), "--valid is 'none', must be"),
    "decay": (("--data", "digits", "--optimizer", "ftrl", "--weight-decay", "0.1"), "use --optimizer adamw"),
    "no labels": (("--data", "x.npy"), "x.npy has no labels; give them with --labels FILE"),
    "empty cells": (("--data", "gaps.csv"), "column 'width' has '', must be a number; --missing mean or --missing ind"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_invalid_combinations_of_options_are_refused(run, wrong):
    write("cls.csv", COLUMNS, irises(150, 1))
    write("gaps.csv", ("width", "kind"), [("", "a"), (1, "b")])
    np.save("x.npy", np.zeros((5, 2)))
    arguments, message = WRONG[wrong]
    error = run("train", *arguments, code=2)
    assert message in error and error.count("\n") == 1


def test_options_reach_fit(run, monkeypatch):
    asked = {}

    def fit(*arguments, class_weight=None, clip_norm=None, **options):
        asked.update(class_weight=class_weight, clip_norm=clip_norm, optimizer=options["optimizer"])
        return plain(*arguments, **options)

    plain = training.fit
    monkeypatch.setattr(training, "fit", fit)
    options = ("--class-weight", "balanced", "--clip-norm", "1.5", "--optimizer", "adamw", "--weight-decay", "0.25")
    run("train", "--data", "digits", "--epochs", "1", "--hidden", "4", *options)
    assert asked["class_weight"] == "balanced" and asked["clip_norm"] == 1.5
    assert asked["optimizer"].groups[0].options["weight_decay"] == 0.25


@pytest.mark.parametrize("activation", [None, "sigmoid", "relu"])
def test_one_output_for_two_classes(run, activation):
    model = nn.Sequential(nn.Dense(1, 1, activation, name="outputs"))
    model.load_state_dict({"outputs.kernel": np.float32([[2]]), "outputs.bias": np.float32([-1])})
    meaning = data.Meaning("classification", "y", ("no", "yes"), ("x",), (data.Column("x"),))
    minidnn.save(model, "model.safetensors", meaning=meaning)
    run("compile", "model.safetensors", "-o", "fast.mdnn")
    write("test.csv", ("x", "y"), [(0, "no"), (0.4, "yes"), (2, "yes")])
    second = 1 / (1 + np.exp(-(2 * np.array([0, 0.4, 2]) - 1)))
    for file in ("model.safetensors", "fast.mdnn"):
        if activation == "relu":
            error = run("predict", file, "test.csv", code=2)
            assert "has 1 outputs for 2 classes, must have one for each" in error
            continue
        rows = json.loads(run("predict", file, "test.csv", "--json"))
        assert [row["class"] for row in rows] == ["no", "no", "yes"]
        assert [row["probability"] for row in rows] == pytest.approx(np.maximum(second, 1 - second), abs=1e-5)
        document = json.loads(run("evaluate", file, "test.csv", "--json"))
        truth = -np.log([1 - second[0], second[1], second[2]]).mean()
        assert document["accuracy"] == pytest.approx(2 / 3) and document["loss"] == pytest.approx(truth, rel=1e-5)


def test_labels_may_be_class_indices_where_classes_have_names(run):
    model = nn.Sequential(nn.Dense(2, 2))
    x = np.eye(2, dtype=np.float32)
    model.load_state_dict({"0.kernel": x, "0.bias": np.zeros(2, np.float32)})
    np.save("x.npy", x)
    for classes, labels, code in (("ab", [0, 1], 0), ("ab", [1, 2], 2), (("10", "20"), [10, 20], 0), ("12", [0, 1], 2)):
        minidnn.save(model, MODEL.split("/")[-1], meaning=data.Meaning("classification", classes=tuple(classes)))
        np.save("y.npy", labels)
        out = run("evaluate", "model.safetensors", "x.npy", "--labels", "y.npy", code=code)
        assert "accuracy 1.0000 (2 of 2)" in out if code == 0 else "must be one of the classes" in out
