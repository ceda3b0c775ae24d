"""Several labels on the command line, from train to compile, and reports of each class."""

import csv
import json

import numpy as np
import pytest

from minidnn.cli import main

sk = pytest.importorskip("sklearn.metrics")
pytestmark = pytest.mark.usefixtures("blank_pictures")
NAMES = ("red", "green", "blue")


def call(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr()


def write(name, columns, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows.tolist()])


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """A table with three 0/1 label columns; each says whether an input is positive."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(1).normal(size=(300, 4))
    y = (x[:, :3] + 0.3 * x[:, 3:] > 0).astype(int)
    write("labels.csv", [*"abcd", *NAMES], np.column_stack([x, y]))
    return y


@pytest.fixture
def numbers(tmp_path, monkeypatch):
    """A table with two label columns of very different scale."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(2).normal(size=(300, 3))
    y = np.column_stack([1000 + 200 * x[:, 0] - 50 * x[:, 1], 0.02 + 0.01 * x[:, 2]])
    write("numbers.csv", ["a", "b", "c", "price", "mass"], np.column_stack([x, y]))
    return y


TRAIN = ("--epochs", 10, "--hidden", "16", "--lr", 0.05, "--batch-size", 20)
LABELS = ("train", "--data", "labels.csv", "--label", ",".join(NAMES), "--task", "classification", *TRAIN)
NUMBERS = ("train", "--data", "numbers.csv", "--label", "price,mass", *TRAIN)
MODEL = "runs/train/model.safetensors"


def test_columns_of_0_and_1(labels, capsys):
    assert call(capsys, *LABELS)[0] == 0
    code, printed = call(capsys, "predict", MODEL, "labels.csv", "--json")
    rows = json.loads(printed.out)
    found = np.array([[name in row["labels"] for name in NAMES] for row in rows])
    assert code == 0 and all(set(row["probabilities"]) == set(NAMES) for row in rows)
    document = json.loads(call(capsys, "evaluate", MODEL, "labels.csv", "--json", "--report")[1].out)
    assert document["accuracy"] == pytest.approx((found == labels).mean()) and document["accuracy"] > 0.9
    assert document["all_labels"] == pytest.approx((found == labels).all(axis=1).mean())
    expected = sk.precision_recall_fscore_support(labels, found, zero_division=0.0)
    for i, name in enumerate(NAMES):
        got = document["report"][name]
        assert [got[k] for k in ("precision", "recall", "f1", "support")] == pytest.approx([e[i] for e in expected])
    text = call(capsys, "evaluate", MODEL, "labels.csv", "--report")[1].out
    assert f"of {labels.size} labels" in text and "precision" in text and "blue" in text and "of 300 examples" in text
    lines = call(capsys, "predict", MODEL, "labels.csv", "--csv")[1].out.splitlines()
    assert lines[0] == "file,example,red,green,blue" and len(lines) == 301
    assert "labels.csv[0]: " in call(capsys, "predict", MODEL, "labels.csv")[1].out


def test_several_numbers_each_in_its_own_unit(numbers, capsys):
    assert call(capsys, *NUMBERS)[0] == 0
    rows = json.loads(call(capsys, "predict", MODEL, "numbers.csv", "--json")[1].out)
    found = np.array([[row["values"][name] for name in ("price", "mass")] for row in rows])
    document = json.loads(call(capsys, "evaluate", MODEL, "numbers.csv", "--json")[1].out)
    for i, name in enumerate(("price", "mass")):
        one = document["labels"][name]
        assert one["r2"] == pytest.approx(sk.r2_score(numbers[:, i], found[:, i]), abs=1e-4) and one["r2"] > 0.9
        assert one["mae"] == pytest.approx(sk.mean_absolute_error(numbers[:, i], found[:, i]), rel=1e-3)
    text = call(capsys, "evaluate", MODEL, "numbers.csv", "--report")[1].out
    assert "price, 300 examples" in text and "mass, 300 examples" in text and "bias" in text
    lines = call(capsys, "predict", MODEL, "numbers.csv", "--csv")[1].out.splitlines()
    assert lines[0] == "file,example,price,mass"


@pytest.mark.parametrize("train", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_compiled_with_int8_where_little_is_lost(labels, numbers, capsys, train):
    data = train[2]
    assert call(capsys, *train)[0] == 0
    code, printed = call(capsys, "compile", MODEL, "--int8", "--data", data, "--limit", 2)  # a label of 90 is 1.1
    assert code == 0, printed.err
    assert " before, " in printed.out and "of 30 validation examples" in printed.out
    before, after = (
        json.loads(call(capsys, "evaluate", f"runs/train/model.{end}", data, "--json")[1].out)
        for end in ("safetensors", "mdnn")
    )
    measure = "r2" if train is NUMBERS else "accuracy"
    assert abs(before[measure] - after[measure]) < 0.01
    code, printed = call(capsys, "compile", MODEL, "--prune", 0.97, "--int8", "--data", data, "-o", "small.mdnn")
    assert code == 1 and "falls by" in printed.err and "nothing was written" in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", "red,green"), "which could be classes or numbers"),
        (("--label", "red,nope"), "'nope'"),
        (("--label", "red,green", "--task", "classification", "--class-weight", "balanced"), "is for one label"),
    ],
)
def test_refuses(labels, capsys, options, message):
    code, printed = call(capsys, "train", "--data", "labels.csv", *options)
    assert code == 2 and message in printed.err


def test_a_report_of_classes_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(1).normal(size=(200, 2))
    with open("names.csv", "w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "kind"], *[[*row, ["cat", "dog"][int(row[0] > 0)]] for row in x]])
    assert call(capsys, "train", "--data", "names.csv", *TRAIN)[0] == 0
    text = call(capsys, "evaluate", MODEL, "names.csv", "--report")[1].out
    assert "recall" in text and "true class (row), predicted class (column)" in text and "cat" in text and "dog" in text
