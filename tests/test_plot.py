"""Pictures."""

import struct
import sys
import zlib

import numpy as np
import pytest

import minidnn
from minidnn import plot, training


def history(epochs=3):
    made = training.History()
    for epoch in range(1, epochs + 1):
        made.rows.append({"epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 0.1 / epoch, "valid_loss": 1.1 / epoch})
    return made


def pixels(path):
    """Width, height and the raw bytes of a PNG."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    data, at = b"", 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        if content[at + 4 : at + 8] == b"IDAT":
            data += content[at + 8 : at + 8 + length]
        at += length + 12
    return width, height, zlib.decompress(data)


@pytest.mark.parametrize("runs", [history(), history(1), {"relu": history(), "elu": history(5)}])
def test_learning_curves_draws_something(tmp_path, runs):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    plot.learning_curves(runs, path)
    width, height, raw = pixels(path)
    assert width > 600 and height > 300
    assert len(set(raw)) > 50  # not one plain colour


@pytest.mark.parametrize("columns", [[], ["mae"], ["mae", "r2"]])
def test_learning_curves_of_other_metrics(tmp_path, columns):
    pytest.importorskip("matplotlib")
    runs = training.History()
    runs.rows = [{"epoch": i, "loss": 1 / i, **dict.fromkeys(columns, 0.5), "density": 1.0} for i in (1, 2)]
    plot.learning_curves(runs, tmp_path / "curves.png")
    assert pixels(tmp_path / "curves.png")[0] == 640 * (1 + len(columns))


def test_the_suffix_says_which_kind(tmp_path):
    pytest.importorskip("matplotlib")
    history().plot(tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    with pytest.raises(ValueError, match=r"curves\.txt must end in one of .*\.png"):
        history().plot(tmp_path / "curves.txt")


def test_without_epochs_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="no finished epoch"):
        history(0).plot(tmp_path / "curves.png")


def test_without_matplotlib_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "minidnn\[plot\]"'):
        history().plot(tmp_path / "curves.png")


def test_filters_draws_a_picture_a_unit(tmp_path):
    pytest.importorskip("matplotlib")
    kernel = np.zeros((12, 5), np.float32)
    kernel[:, 1] = np.linspace(-2, 1, 12)
    plot.filters(minidnn.Tensor(kernel), (3, 4), tmp_path / "filters.png", columns=3)
    width, height, raw = pixels(tmp_path / "filters.png")
    assert width > height and 0 in raw and len(set(raw)) > 8
    with pytest.raises(ValueError, match=r"weights has shape \(12, 5\), must be \(20, n_hidden\)"):
        plot.filters(kernel, (4, 5), tmp_path / "filters.png")
