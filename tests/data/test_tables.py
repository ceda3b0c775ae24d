"""CSV tables, splits and standardization."""

import csv
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidnn
from minidnn import data
from minidnn.data import ArrayDataset, Standardize, Subset, TableError, load_csv, split


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def test_a_table_with_names_categories_and_classes(path):
    path.write_text("""\ufeffage,port,fare,fate
22, S ,7.25,lost
38,C,71.5,"saved, at last"

,S,8,lost
""")
    table = load_csv(path, "fate", categories=["port"], missing=-1)
    assert table.columns == ("age", "fare", "port=C", "port=S") and table.classes == ("lost", "saved, at last")
    assert table.x.tolist() == [[22, 7.25, 0, 1], [38, 71.5, 1, 0], [-1, 8, 0, 1]] and table.y.tolist() == [0, 1, 0]
    assert table[1:].columns == table.columns and table.x.dtype == np.float32
    with pytest.raises(TableError, match="line 5: column 'age' has '', must be a number"):
        load_csv(path, "fate", categories=["port"])
    with pytest.raises(TableError, match="line 2: column 'port' has ' S ', must be a number"):
        load_csv(path, "fate")


@pytest.mark.parametrize("label", [2, -1, "2"])
def test_a_table_without_names(path, label):
    path.write_text("1;2;7\n3;4;0\n")
    table = load_csv(path, label, header=False, delimiter=";")
    assert table.x.tolist() == [[1, 2], [3, 4]] and table.y.tolist() == [7, 0] and table.classes == ()


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 9)),
        min_size=1,
        max_size=20,
    )
)
def test_written_tables_are_read_unchanged(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("x", "y"), *rows])
    table = load_csv(path, "y")
    assert table.x[:, 0].tolist() == [x for x, _ in rows] and table.y.tolist() == [y for _, y in rows]


FAULTS = {
    "nothing": (b"", "is empty"),
    "no rows": (b"a,y\n", "has no rows"),
    "too few cells": (b"a,y\n1,2\n3\n", "line 3: has 1 cells, must have 2"),
    "too many cells": (b"a,y\n1,2,3\n", "line 2: has 3 cells, must have 2"),
    "a word": (b"a,y\none,2\n", "line 2: column 'a' has 'one', must be a number"),
    "not a number": (b"a,y\nnan,2\n", "'nan', must be a number; missing='mean'"),
    "infinity": (b"a,y\n-inf,2\n", "'-inf', must be a finite float32"),
    "beyond float32": (b"a,y\n1e39,2\n", "'1e39', must be a finite float32"),
    "no label": (b"a,y\n1, \n", "line 2: the label is empty"),
    "not UTF-8": (b"a,y\n\xff,2\n", "utf-8"),
    "an open quote": (b'a,y\n"1,2\n', "unexpected end of data"),
    "a huge cell": (b"a,y\n" + b"1" * 200_000 + b",1\n", "field larger than field limit"),
    "gzip": (gzip.compress(b"a,y\n1,2\n", mtime=0), "utf-8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_invalid_table_is_refused_with_line_and_fault(path, fault):
    content, message = FAULTS[fault]
    path.write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        load_csv(path, "y")
    assert str(path) in str(error.value)


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary(max_size=60) | st.text('a,y"\n 10.-', max_size=60).map(str.encode),
    missing=st.sampled_from([None, 0.0]),
)
def test_any_bytes_at_all(tmp_path_factory, content, missing):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        table = load_csv(path, -1, missing=missing, header=False)
    except ValueError as error:
        assert "load_csv: " in str(error)
    else:
        assert np.isfinite(table.x).all() and table.x.size + len(table) <= len(content)


def test_unknown_or_ambiguous_columns_are_refused(path):
    path.write_text("a,b,b,y\n1,2,3,4\n")
    for column in ("c", 4, -5, "b"):
        with pytest.raises(ValueError, match="must have one column"):
            load_csv(path, column)
    with pytest.raises(ValueError, match=r"name a column of .* twice"):
        load_csv(path, "y", categories=[3])


# Splits


def dataset(y):
    y = np.asarray(y, int)
    return ArrayDataset(np.arange(len(y), dtype=np.float32)[:, np.newaxis], y)


@settings(max_examples=200, deadline=None)
@given(
    y=st.lists(st.integers(0, 5), max_size=200), shares=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    stratify=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
def test_parts_are_disjoint_complete_and_of_the_right_size(y, shares, stratify, seed):
    sizes = [share / sum(shares) for share in shares]
    parts = split(dataset(y), sizes, stratify=stratify, rng=minidnn.Generator(seed))
    assert sorted(np.concatenate([part.images[:, 0] for part in parts]).tolist()) == list(range(len(y)))
    for part, size in zip(parts, sizes, strict=True):
        assert abs(len(part) - size * len(y)) <= 1 and np.array_equal(part.y, np.asarray(y, int)[part.indices])
    if stratify:
        first, n = parts[0], len(y)
        for label in set(y):
            assert abs(np.sum(first.y == label) - y.count(label) * len(first) / n) < 1


def test_three_parts_of_an_uneven_set():
    y = [0] * 1000 + [1] * 100 + [2] * 10
    parts = split(dataset(y), [0.8, 0.1, 0.1], rng=minidnn.Generator(1))
    assert [np.bincount(part.y).tolist() for part in parts] == [[800, 80, 8], [100, 10, 1], [100, 10, 1]]


def test_every_example_is_equally_likely():
    counts = np.zeros(12)
    generator = minidnn.Generator(3)
    for _ in range(3000):
        counts[split(dataset([0, 1, 1] * 4), [4, 8], rng=generator)[0].indices] += 1
    chi_square = ((counts - 1000) ** 2 / (1000 * 2 / 3)).sum()
    assert chi_square < 12 + 6 * np.sqrt(2 * 12)


def test_numbers_of_examples_and_the_seed():
    parts = [split(dataset([0, 1] * 50), [10, 20], rng=minidnn.Generator(seed)) for seed in (1, 1, 2)]
    assert [len(part) for part in parts[0]] == [10, 20]
    assert np.array_equal(parts[0][1].indices, parts[1][1].indices)
    assert not np.array_equal(parts[0][1].indices, parts[2][1].indices)


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ([], ValueError), ([0.5, 0.4], ValueError), ([0.5, 0.6], ValueError), ([-0.5, 1.5], ValueError),
        ([5, 6], ValueError), ([-1, 2], ValueError), ([float("nan")], ValueError), (["1"], TypeError),
        ([True], TypeError),
    ],
)  # fmt: skip
def test_invalid_sizes_are_refused(sizes, error):
    with pytest.raises(error, match="split: "):
        split(dataset([0] * 10), sizes)


def test_subsets():
    base = dataset([5, 6, 7, 8])
    part = Subset(Subset(base, [3, 1, 1]), np.array([2, 0], np.uint8))
    assert part.y.tolist() == [6, 8] and part.images.tolist() == [[1], [3]] and part[1:].y.tolist() == [8]
    assert part.checksums() != Subset(base, [1, 3]).checksums()
    for wrong in ([4], [-1], [2**62]):
        with pytest.raises(IndexError, match="must be in"):
            Subset(base, wrong)
    with pytest.raises(TypeError, match="must be integers"):
        Subset(base, [0.5])
    with pytest.raises(TypeError, match="takes slices"):
        part[0]


# Standardization


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 60), chunk=st.integers(1, 70), per_feature=st.booleans())
def test_mean_and_deviation_in_float64(seed, n, chunk, per_feature):
    x = (np.random.default_rng(seed).standard_normal((n, 3)) * [1, 1e3, 1e-3] + [0, 1e4, 5]).astype(np.float32)
    before, data.standardize.CHUNK = data.standardize.CHUNK, chunk
    try:
        scale = Standardize(ArrayDataset(x, np.zeros(n, int)), per_feature)
    finally:
        data.standardize.CHUNK = before
    truth = x.astype(np.float64)
    axis = 0 if per_feature else None
    std = truth.std(axis=axis)
    np.testing.assert_allclose(scale.mean, np.broadcast_to(truth.mean(axis=axis), 3), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(scale.std, np.broadcast_to(std if n > 1 or not per_feature else 1, 3), rtol=1e-6)


def test_standardization_uses_only_the_training_set():
    digits = data.load_digits_sample()
    scale = Standardize(digits.train)
    train, valid = scale(digits.train), scale(digits.valid)
    assert np.abs(train.images.mean(axis=0, dtype=np.float64)).max() < 1e-6
    deviations = train.images.std(axis=0, dtype=np.float64)
    assert (np.abs(deviations - 1) < 1e-6).sum() + (deviations == 0).sum() == 64 and (deviations == 0).any()
    assert np.array_equal(valid.images, (digits.valid.x - scale.mean) / scale.std)
    assert np.array_equal(scale(digits.valid.x), valid.images)
    assert abs(valid.images.mean()) > 1e-3  # its own mean is not used
    assert train.checksums() != digits.train.checksums() and len(valid[:7].images) == 7


def test_constant_inputs_become_zero_despite_rounding():
    x = np.tile(np.array([[0.1, 1e-30, 7]], np.float32), (10_000, 1))
    scale = Standardize(ArrayDataset(x, np.zeros(len(x), int)))
    assert scale.std.tolist() == [1, 1, 1] and not scale(x).any()
    flat = ArrayDataset(np.full((9, 3), 0.1, np.float32), np.zeros(9, int))
    assert Standardize(flat, per_feature=False).std.tolist() == [1, 1, 1]


def test_augmentation_is_applied_before_standardization():
    digits = data.load_digits_sample().train
    scale, change = Standardize(digits), data.augment.Augment([data.augment.brightness(0.5)], (8, 8))
    parts = [list(data.batches(d, 100, minidnn.Generator(1), augment=change)) for d in (scale(digits), digits)]
    for (x, _), (raw, _) in zip(*parts, strict=True):
        assert np.array_equal(x, scale(raw))


def test_standardize_refuses():
    with pytest.raises(ValueError, match="empty"):
        Standardize(dataset([]))
    table = ArrayDataset(np.array([[1, np.nan], [1, 2]], np.float32), [0, 1], columns=["age", "fare"])
    with pytest.raises(ValueError, match="input fare is not finite"):
        Standardize(table)
    scale = Standardize(dataset([0, 1]))
    with pytest.raises(ValueError, match=r"must be \(n, 1\)"):
        scale(np.zeros((2, 3), np.float32))
    with pytest.raises(TypeError, match="int64"):
        scale(np.zeros((2, 1), np.int64))
    assert scale(np.zeros((2, 1))).dtype == np.float32
