"""Several label columns of a table or a frame, and frames whose columns come in another order."""

import numpy as np
import pytest

from minidnn import data
from minidnn.data import Meaning, TableError

TEXT = "a,port,price,area,rooms\n" + "".join(f"{i},{'XY'[i % 2]},{i * 1.5},{i * 10},{i % 2}\n" for i in range(6))


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_numbers_become_columns_of_targets(write):
    path = write("train.csv", TEXT)
    train = data.load_csv(path, ["area", "price"], categories=["port"], ignore=["rooms"])
    assert train.y.dtype == np.float32 and train.y.tolist() == [[i * 10, i * 1.5] for i in range(6)]
    assert train.columns == ("a", "port=X", "port=Y")
    assert train.meaning.label == ("area", "price") and train.meaning.task == "regression" and train.classes == ()
    assert Meaning.from_json(train.meaning.to_json()) == train.meaning


def test_a_second_file_has_them_in_any_order_and_a_third_has_none(write):
    train = data.load_csv(write("train.csv", TEXT), ["price", "area"], categories=["port"], ignore=["rooms"])
    second = write("b.csv", "area,port,price,a\n7,Y,8,9\n")
    test = data.load_csv(second, like=train)
    assert test.y.tolist() == [[8, 7]] and test.x.tolist() == [[9, 0, 1]] and test.meaning == train.meaning
    new = data.load_csv(write("c.csv", "port,a\nY,9\n"), None, like=train)
    assert new.x.tolist() == [[9, 0, 1]]
    assert data.load_csv(second, None, like=train).x.tolist() == [[9, 0, 1]]  # labels are passed over


def test_columns_of_0_and_1_are_labels(write):
    path = write("train.csv", "x,wet,cold\n1,0,1\n2,1,1\n3,1.0,0\n")
    train = data.load_csv(path, ["wet", "cold"], task="classification")
    assert train.y.dtype == np.int64 and train.y.tolist() == [[0, 1], [1, 1], [1, 0]]
    assert train.meaning.task == "classification" and train.classes == ()
    wrong = write("wrong.csv", "x,wet,cold\n1,0,1\n2,2,1\n")
    with pytest.raises(TableError, match=r"wrong.csv, line 3: column 'wet' has '2', must be 0 or 1.*task='regression'"):
        data.load_csv(wrong, ["wet", "cold"], task="classification")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["wet", "wet"], "twice"),
        ([], "label is an empty list"),
        (["wet", "snow"], "must have one column 'snow'"),
        (["wet", "kind"], "line 2: the label is 'a', must be a finite number"),
    ],
)
def test_invalid_labels_are_refused(write, labels, message):
    path = write("train.csv", "x,wet,cold,kind\n1,0,1,a\n2,1,1,b\n")
    with pytest.raises(ValueError, match=message):
        data.load_csv(path, labels)


def test_an_empty_label_is_named(write):
    path = write("train.csv", "x,wet,cold\n1,0,1\n2,1,\n")
    with pytest.raises(TableError, match="line 3: the label in column 'cold' is empty"):
        data.load_csv(path, ["wet", "cold"])


# Frames


class Frame:
    """What pandas and Polars have in common."""

    def __init__(self, columns):
        self.data, self.columns = columns, list(columns)

    def __getitem__(self, name):
        column = self.data[name]
        return type("Column", (), {"to_numpy": lambda self: np.array(column)})()


def frames():
    yield Frame
    for name in ("pandas", "polars"):
        yield pytest.importorskip(name).DataFrame if _has(name) else Frame


def _has(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


DF = {"size": [1, 2, 3], "port": ["b", "a", "b"], "price": [1.5, 2, 4], "area": [10.0, 20, 30]}


@pytest.mark.parametrize("make", dict.fromkeys(frames()), ids=lambda make: make.__module__.split(".")[0])
def test_a_frame_without_labels_and_in_another_order(make):
    train = data.from_frame(make(DF), ["price", "area"], categories=["port"])
    assert train.y.tolist() == [[1.5, 10], [2, 20], [4, 30]] and train.meaning.label == ("price", "area")
    other = make({name: DF[name] for name in ("area", "port", "price", "size")})
    assert data.from_frame(other, like=train).x.tolist() == train.x.tolist()
    assert data.from_frame(other, like=train).y.tolist() == train.y.tolist()
    new = data.from_frame(make({"port": ["a"], "size": [7]}), None, like=train)
    assert isinstance(new, data.Unlabelled) and new.x.tolist() == [[7, 1, 0]] and new.columns == train.columns
    assert data.from_frame(other, None, like=train).x.tolist() == train.x.tolist()  # labels are passed over
    assert data.from_frame(other, None, like=train.meaning).x.tolist() == train.x.tolist()
    alone = data.from_frame(make({"size": [1.0], "a": [2]}), None)
    assert isinstance(alone, data.Unlabelled) and alone.columns == ("size", "a")
    scaled = data.Standardize(train)(train)
    assert np.allclose(data.from_frame(other, like=scaled).x, scaled.inputs)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"port": ["a"]}, "df has no column 'size', which like has"),
        ({"port": ["a"], "size": [1], "depth": [2], "h": [2]}, r"'depth', 'h', which like does not have.*ignore="),
        ({"port": ["c"], "size": [1]}, "column 'port' has 'c', which like has not"),
    ],
)
def test_columns_that_are_missing_or_unknown_are_named(columns, message):
    train = data.from_frame(Frame(DF), ["price", "area"], categories=["port"])
    with pytest.raises(ValueError, match=message):
        data.from_frame(Frame(columns), None, like=train)
    assert (
        data.from_frame(Frame(DF | {"depth": [1, 2, 3]}), like=train, ignore=["depth"]).x.tolist() == train.x.tolist()
    )


def test_a_frame_is_read_like_a_table(write):
    train = data.load_csv(write("train.csv", TEXT), ["price", "area"], categories=["port"], ignore=["rooms"])
    rows = [line.split(",") for line in TEXT.splitlines()[1:]]
    df = Frame(
        {
            "price": [float(r[2]) for r in rows],
            "area": [float(r[3]) for r in rows],
            "port": [r[1] for r in rows],
            "rooms": [0] * 6,
            "a": [float(r[0]) for r in rows],
        }
    )
    assert np.array_equal(data.from_frame(df, like=train).x, train.x)
    assert np.array_equal(data.from_frame(df, like=train).y, train.y)


def test_classes_of_the_first_frame(write):
    train = data.from_frame(Frame({"x": [1, 2], "kind": ["cat", "emu"]}), "kind")
    assert data.from_frame(Frame({"kind": ["emu"], "x": [1]}), like=train).y.tolist() == [1]
    with pytest.raises(ValueError, match="label is missing"):
        data.from_frame(Frame({"x": [1, 2]}))
