"""The meaning of a table: labels, empty cells, ignored columns, and a second file read like the first."""

import csv
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidnn.data import (
    ArrayDataset,
    Column,
    Meaning,
    MeaningError,
    Standardize,
    TableError,
    Unlabelled,
    from_frame,
    load_csv,
)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


LABELS = {  # cells -> task, labels, classes; with task="classification": labels, classes
    ("0", "1", "10", "9"): ("regression", [0, 1, 10, 9], [0, 1, 3, 2], ("0", "1", "9", "10")),
    ("0.0", "10.0", "9.5"): ("regression", [0, 10, 9.5], [0, 2, 1], ("0.0", "9.5", "10.0")),
    ("-1", "1", "-1.0"): ("regression", [-1, 1, -1], [0, 1, 0], ("-1", "1")),
    ("b", "a", "b"): ("classification", [1, 0, 1], [1, 0, 1], ("a", "b")),
}


@pytest.mark.parametrize("cells", LABELS)
def test_labels_are_numbers_or_classes(write, cells):
    task, y, places, classes = LABELS[cells]
    path = write("t.csv", "x,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    table = load_csv(path, "y")
    assert table.meaning.task == task and table.y.tolist() == y and table.meaning.label == "y"
    assert table.y.dtype == (np.float32 if task == "regression" else np.int64)
    assert table.classes == (classes if task == "classification" else ())
    chosen = load_csv(path, "y", task="classification")
    assert chosen.y.tolist() == places and chosen.y.dtype == np.int64
    assert chosen.classes == chosen.meaning.classes == classes


def test_mixed_labels_are_refused_with_their_line(write):
    path = write("t.csv", "x,y\n1,2\n1,3\n1,none\n")
    with pytest.raises(TableError, match="line 4: the label is 'none', others are numbers; give task='classification'"):
        load_csv(path, "y")
    with pytest.raises(TableError, match="line 4: the label is 'none', must be a finite number"):
        load_csv(path, "y", task="regression")
    assert load_csv(path, "y", task="classification").classes == ("2", "3", "none")


def test_a_table_without_labels_and_columns_left_out(write):
    path = write("t.csv", "name,port,fare\nAnn,C,1\nBob,S,2\n")
    table = load_csv(path, None, categories=["port"], ignore=["name"])
    assert isinstance(table, Unlabelled) and len(table) == 2 and table.columns == ("fare", "port=C", "port=S")
    assert table.inputs.tolist() == [[1, 1, 0], [2, 0, 1]] and table[1:].x.tolist() == [[2, 0, 1]]
    assert table[1:].meaning == table.meaning and table.meaning.ignored == ("name",)
    with pytest.raises(ValueError, match="have no labels"):
        table.y  # noqa: B018


VALUES = st.sampled_from(["a", "b", "c", "d e", '"', "1", ""])


@settings(max_examples=100, deadline=None)
@given(
    first=st.lists(st.tuples(st.sampled_from(["", "1", "2.5", "-3"]), VALUES, VALUES), min_size=1, max_size=12),
    second=st.lists(st.tuples(st.sampled_from(["", "1", "7"]), VALUES, VALUES), min_size=1, max_size=12),
    missing=st.sampled_from(["mean", "indicator", -7.0]),
    order=st.permutations([0, 1, 2]),
    scaled=st.booleans(),
)
def test_a_second_file_is_read_like_the_first(tmp_path_factory, first, second, missing, order, scaled):
    """Inputs are named by column and value, so each is recomputed from the cells by its name."""
    folder, names = tmp_path_factory.mktemp("csv"), ("n", "p", "q")
    for name, rows, places in (("1.csv", first, (0, 1, 2)), ("2.csv", second, order)):
        with open(folder / name, "w", newline="") as file:
            lines = [[names[i] for i in places], *([row[i] for i in places] for row in rows)]
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(lines)
    numbers = [float(n) for n, _, _ in first if n]
    if not numbers and missing != -7.0:
        with pytest.raises(TableError, match="'n' is empty in every row; leave it out"):
            load_csv(folder / "1.csv", None, categories=["p", "q"], missing=missing)
        return
    train = load_csv(folder / "1.csv", None, categories=["p", "q"], missing=missing)
    fill = -7.0 if missing == -7.0 else sum(numbers) / len(numbers)
    has_indicator = missing == "indicator" and len(numbers) < len(first)
    assert ("n=missing" in train.columns) == has_indicator
    if missing == "indicator" and not has_indicator and any(not n for n, _, _ in second):
        with pytest.raises(TableError, match="column 'n' has '', must be a number"):
            load_csv(folder / "2.csv", like=train, unknown="zeros")
        return

    def expected(rows, column):
        if column in ("n", "n=missing"):
            return [float(not n) if column == "n=missing" else float(n or fill) for n, _, _ in rows]
        place, value = names.index(column[0]), column[2:]
        return [float(row[place] == value) for row in rows]

    other = load_csv(folder / "2.csv", like=train, unknown="zeros")
    assert other.columns == train.columns and other.meaning == train.meaning
    for table, rows in ((train, first), (other, second)):
        for k, column in enumerate(table.columns):
            np.testing.assert_allclose(table.x[:, k], expected(rows, column), rtol=1e-6)
    known = [{row[i] for row in first} for i in (1, 2)]
    if all(row[i + 1] in known[i] for row in second for i in (0, 1)):
        assert load_csv(folder / "2.csv", like=train).x.tobytes() == other.x.tobytes()
    else:
        with pytest.raises(TableError, match=r"line \d+: column '[pq]' has .*, must be one of .*unknown='zeros'"):
            load_csv(folder / "2.csv", like=train)
    if scaled and len(first) > 1:
        labelled = ArrayDataset(train.x, np.zeros(len(train)))
        labelled.meaning = train.meaning
        scale = Standardize(labelled)
        assert load_csv(folder / "2.csv", like=scale(labelled), unknown="zeros").x.tobytes() == scale(other.x).tobytes()


def test_inputs_keep_the_order_of_the_meaning(write):
    """Not every meaning has the numeric columns first: that of a data frame keeps the order of the columns."""
    source = (Column("p", ("a", "b")), Column("n", None, 5.0, True), Column("q", ("c",)), Column("m"))
    columns = ("p=a", "p=b", "n", "n=missing", "q=c", "m")
    meaning = Meaning(columns=columns, source=source, missing="indicator")
    table = load_csv(write("t.csv", "m,n,q,p\n1,,c,b\n2,3,c,a\n"), None, like=meaning)
    assert table.columns == columns and table.x.tolist() == [[0, 1, 5, 1, 1, 1], [1, 0, 3, 0, 1, 2]]


def test_a_table_is_read_like_a_data_frame(write):
    pandas = pytest.importorskip("pandas")
    path = write("train.csv", "port,fare,id,kind\nC,1,7,x\nS,2.5,8,y\nC,3,9,x\n")
    train = from_frame(pandas.read_csv(path), "kind", categories=["port"], ignore=["id"])
    same = load_csv(path, like=train)
    assert same.x.tobytes() == train.x.tobytes() and same.y.tolist() == train.y.tolist()
    assert same.columns == train.columns == ("port=C", "port=S", "fare") and train.meaning.task == "classification"


def test_classes_are_those_of_the_first_file(write):
    train = load_csv(write("train.csv", "x,y\n1,c\n2,a\n3,b\n"), "y")
    test = load_csv(write("test.csv", "y,x\nb,1\nc,5\n"), like=train)
    assert test.y.tolist() == [1, 2] and test.classes == ("a", "b", "c") and test.x.tolist() == [[1], [5]]
    with pytest.raises(TableError, match="line 2: the label is 'd', must be one of the classes 'a', 'b', 'c'"):
        load_csv(write("other.csv", "x,y\n1,d\n"), like=train)
    numbers = load_csv(write("numbers.csv", "x,y\n1,2\n2,10\n"), "y", task="classification")
    assert load_csv(write("floats.csv", "x,y\n1,10.0\n2,2.0\n"), like=numbers).y.tolist() == [1, 0]
    assert load_csv(write("new.csv", "x\n1\n"), None, like=train).x.tolist() == [[1]]
    assert load_csv(write("labelled.csv", "x,y\n1,whatever\n"), None, like=train).x.tolist() == [[1]]


def test_regression_stays_regression(write):
    train = load_csv(write("train.csv", "x,y\n1,1.5\n"), "y")
    test = load_csv(write("test.csv", "x,y\n1,2\n"), like=train)
    assert test.y.tolist() == [2.0] and test.y.dtype == np.float32 and test.meaning == train.meaning
    with pytest.raises(TableError, match="line 2: the label is 'a', must be a finite number"):
        load_csv(write("other.csv", "x,y\n1,a\n"), like=train)


def test_files_without_a_header(write):
    train = load_csv(write("train.csv", "a,1,5\nb,2,6\n"), 0, header=False, task="classification")
    new = write("new.csv", "3,7\n")
    assert load_csv(new, None, header=False, like=train).x.tolist() == [[3, 7]]
    assert load_csv(write("test.csv", "b,3,7\n"), like=train, header=False).y.tolist() == [1]


OTHERS = {
    "a column less": ("x,y\n1,1\n", {}, "must have one column 'z'"),
    "a column more": ("x,z,y,w\n1,1,1,1\n", {}, r"has a column 'w' that like does not have.*ignore=\['w'\]"),
    "another task": ("x,z,y\n1,1,1\n", {"task": "classification"}, "task is 'classification', must be that of like"),
    "other empty cells": ("x,z,y\n1,1,1\n", {"missing": 3}, "missing is 3, must be that of like, 'mean'; leave it out"),
    "other categories": ("x,z,y\n1,1,1\n", {"categories": ["x"]}, "categories is .* must be that of like"),
    "an input left out": ("x,z,y\n1,1,1\n", {"ignore": ["x"]}, "'x' of .* is an input of like"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_of_another_meaning_is_refused(write, other):
    train = load_csv(write("train.csv", "x,z,y,name\n1,2,3.5,n\n"), "y", missing="mean", ignore=["name"])
    text, options, message = OTHERS[other]
    with pytest.raises(ValueError, match=message):
        load_csv(write("test.csv", text), like=train, **options)
    same = load_csv(write("same.csv", "z,x,name,y\n2,1,n,3.5\n"), like=train, missing="mean", task="regression")
    assert same.x.tobytes() == train.x.tobytes()
    assert load_csv(write("more.csv", "z,x,w,y\n2,1,0,3.5\n"), like=train, ignore=["w"]).columns == train.columns


def test_invalid_options_are_refused(write):
    path = write("t.csv", "x,y\n1,2\n")
    for options, message in (
        ({"missing": "median"}, "missing is 'median', must be None, 'mean', 'indicator' or a finite number"),
        ({"missing": float("nan")}, "missing is nan"),
        ({"missing": True}, "missing is True"),
        ({"task": "ranking"}, "task is 'ranking', must be None or one of classification, regression"),
        ({"unknown": "guess"}, "unknown is 'guess', must be 'refuse' or 'zeros'"),
        ({"like": ArrayDataset(np.zeros((1, 1), np.float32), [0])}, "like was not read by load_csv"),
        ({"ignore": ["y"]}, "name a column of .* twice"),
        ({"ignore": ["z"]}, "must have one column 'z'"),
    ):
        with pytest.raises(ValueError, match=message):
            load_csv(path, "y", **options)
    with pytest.raises(ValueError, match="label is missing, must name a column, or be None"):
        load_csv(path)
    with pytest.raises(ValueError, match=r"two columns 'x'; leave one out with ignore=\[1\]"):
        load_csv(write("two.csv", "x,x,y\n1,2,3\n"), "y")


@pytest.mark.parametrize("text", ["", " ", "NA", "nan", "N/A", "NULL"])
def test_an_empty_cell_is_refused_or_replaced(write, text):
    path = write("t.csv", f"age,y\n1,0.5\n4,0.5\n{text},0.5\n")
    with pytest.raises(TableError, match=r"line 4: column 'age' has .*, must be a number; missing='mean'"):
        load_csv(path, "y")
    assert load_csv(path, "y", missing="mean").x.tolist() == [[1], [4], [2.5]]
    indicator = load_csv(path, "y", missing="indicator")
    assert indicator.x.tolist() == [[1, 0], [4, 0], [2.5, 1]] and indicator.columns == ("age", "age=missing")
    assert load_csv(path, "y", missing=-1).x.tolist() == [[1], [4], [-1]]
    with pytest.raises(TableError, match="line 2: column 'port' is empty"):
        load_csv(write("c.csv", "port,y\n,0.5\n"), "y", categories=["port"])


WIDE = {
    "a long cell among short ones": lambda n: "x" * 60_000 + "".join(f"\n{i % 7}" for i in range(n)),
    "a category of names": lambda n: "".join(f"\n{i}" for i in range(n)),
}


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("as_label", [False, True])
def test_memory_stays_a_small_multiple_of_the_file(write, kind, as_label):
    cells = WIDE[kind](20_000).strip().split("\n")
    path = write("t.csv", "a,b\n" + "".join(f"{cell},1\n" for cell in cells))
    options = {"label": "a", "task": "classification"} if as_label else {"label": "b", "categories": ["a"]}
    tracemalloc.start()
    try:
        table = load_csv(path, **options)
    except TableError as error:
        assert "'a' has 20000 different values" in str(error) and "ignore=['a']" in str(error)
        assert not as_label and kind == "a category of names"
    else:
        assert len(table) == len(cells)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * path.stat().st_size + (1 << 20)


# Meaning


COLUMNS = st.builds(Column, st.text(max_size=3), st.none(), st.none() | st.floats(-9, 9), st.booleans()) | st.builds(
    Column, st.text(max_size=3), st.lists(st.text(max_size=3), max_size=3).map(tuple)
)


@settings(max_examples=100, deadline=None)
@given(
    source=st.lists(COLUMNS, max_size=4), task=st.sampled_from([None, "classification", "regression"]),
    classes=st.lists(st.text(max_size=3), max_size=3), scaled=st.booleans(),
    shape=st.sampled_from([(), (3, 4), (5, 6, 3)]), missing=st.sampled_from([None, "mean", 3.5]), resized=st.booleans(),
    label=st.text(max_size=3),
)  # fmt: skip
def test_a_meaning_survives_json(source, task, classes, scaled, shape, missing, resized, label):
    columns = tuple(name for column in source for name in column.inputs)
    meaning = Meaning(task, label, tuple(classes), columns, tuple(source), ("z",), missing)
    meaning = Meaning(**(vars(meaning) | {"image_shape": shape, "resized": resized}))
    if scaled and columns:
        meaning = meaning.standardized(np.arange(len(columns)), np.full(len(columns), 2.0))
    assert Meaning.from_json(meaning.to_json()) == meaning
    meaning.check_same("fit", meaning)
    meaning.check_same("fit", Meaning())  # unknown attributes are not compared


@pytest.mark.parametrize(
    "document",
    [
        None, [], {"colour": 1}, {"task": "ranking"}, {"classes": "abc"}, {"classes": [1]}, {"columns": {"a": 1}},
        {"mean": [1.0]}, {"mean": [1], "std": [0]}, {"mean": [float("nan")], "std": [1]}, {"mean": [True], "std": [1]},
        {"columns": ["a"], "mean": [1, 2], "std": [1, 2]}, {"columns": ["a"], "source": [{"name": "b"}]},
        {"source": [{}]}, {"source": [{"name": "a", "colour": 1}]}, {"source": ["a"]}, {"image_shape": [3]},
        {"image_shape": [3, -4]}, {"image_shape": [3, 4, 2]}, {"label": 3}, {"resized": 1}, {"from_bytes": 0},
        {"missing": []},
        {"columns": ["a"], "source": [{"name": "a", "fill": float("inf")}]},
        {"columns": ["a"], "source": [{"name": "a", "indicator": "no"}]},
    ],
)  # fmt: skip
def test_an_invalid_meaning_is_refused(document):
    with pytest.raises(MeaningError):
        Meaning.from_json(document)


@pytest.mark.parametrize(
    "other", [{"classes": ("b", "a")}, {"columns": ("v", "u")}, {"image_shape": (2, 1)}, {"task": "regression"}]
)
def test_different_meanings_are_refused(other):
    meaning = Meaning("classification", "", ("a", "b"), ("u", "v"), image_shape=(1, 2))
    with pytest.raises(MeaningError, match=f"fit: {next(iter(other))} of valid: .*, must be "):
        meaning.check_same("fit", Meaning(**(vars(meaning) | other)), "valid")


def test_numbers_of_another_scale_than_bytes_are_refused():
    numbers = np.array([[0, 255]])
    for kind in (np.int64, np.float32, np.uint16):
        with pytest.raises(
            MeaningError, match=r"x.npy: .* from 0.* to 255.*, but the model learned from bytes.* uint8"
        ):
            Meaning(from_bytes=True).check_scale("x.npy", numbers.astype(kind))
    Meaning(from_bytes=True).check_scale("x.npy", numbers.astype(np.uint8))
    Meaning(from_bytes=True).check_scale("x.npy", numbers / 255)
    Meaning().check_scale("x.npy", numbers)


def test_two_standardizations_are_combined():
    x = np.array([[3.0, 5.0]])
    meaning = Meaning().standardized([1, 2], [2, 4]).standardized([0.5, 0.25], [3, 5])
    once, twice = (x - meaning.mean) / meaning.std, ((x - [1, 2]) / [2, 4] - [0.5, 0.25]) / [3, 5]
    np.testing.assert_allclose(once, twice, rtol=1e-12)
