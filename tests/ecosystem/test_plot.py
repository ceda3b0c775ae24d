"""Figures."""

import json
import struct
import sys
import zlib

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import plot, training
from minidnn.study import Study


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


def test_a_history_without_epochs_cannot_be_drawn(tmp_path):
    with pytest.raises(ValueError, match="no finished epoch"):
        history(0).plot(tmp_path / "curves.png")


def test_without_matplotlib_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "minidnn\[plot\]"'):
        history().plot(tmp_path / "curves.png")


def test_filters_draws_one_picture_per_unit(tmp_path):
    pytest.importorskip("matplotlib")
    kernel = np.zeros((12, 5), np.float32)
    kernel[:, 1] = np.linspace(-2, 1, 12)
    plot.filters(minidnn.Tensor(kernel), (3, 4), tmp_path / "filters.png", columns=3)
    width, height, raw = pixels(tmp_path / "filters.png")
    assert width > height and 0 in raw and len(set(raw)) > 8
    with pytest.raises(ValueError, match=r"weights has shape \(12, 5\), must be \(20, n_hidden\)"):
        plot.filters(kernel, (4, 5), tmp_path / "filters.png")


# Layout: nothing is covered, cut or merged


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be written, after their layout."""
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figures = []

    def keep(drawing, path):
        FigureCanvasAgg(drawing).draw()
        figures.append(drawing)

    monkeypatch.setattr(plot, "write", keep)
    return figures


def some_study(methods, log=True, bottom=None):
    rng = np.random.default_rng(1)
    x = [1, 3, 10, 50] if log else [1, 2, 3, 4]
    runs = {f"a method with a name {i}": rng.uniform(0.5, 1, (5, 4)).tolist() for i in range(methods)}
    return Study("s", "title", "labels", x, runs, bottom=bottom)


KINDS = {
    "learning_curves": lambda n: plot.learning_curves({f"run {i}": history(4) for i in range(n)}, "x.png"),
    "lines": lambda n: plot.lines({f"learning rate {i}": ([1, 2], [i, 1]) for i in range(n)}, "x.png", "x", "y"),
    "study": lambda n: plot.study(some_study(n), "x.png"),
    "linear study": lambda n: plot.study(some_study(n, log=False), "x.png"),
    "reproduction": lambda n: plot.reproduction({1: 0.9}, [[0.8, 0.9]] * n, "x.png", "title"),
}


@pytest.mark.parametrize("count", [1, 2, 5, 8, 12, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_a_legend_is_complete_and_covers_no_curve(kind, count, drawn):
    KINDS[kind](count)
    (drawing,) = drawn
    assert not any(axis.get_legend() for axis in drawing.axes)
    for legend in drawing.legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= drawing.bbox.width and box.y1 <= drawing.bbox.height
        for axis in drawing.axes:
            assert not box.overlaps(axis.get_tightbbox())
            assert axis.get_window_extent().height > 0.3 * drawing.bbox.height


@pytest.mark.parametrize("count", [2, 8, 12, 20])
@pytest.mark.parametrize("kind", ["learning_curves", "lines", "study"])
def test_curves_are_distinguishable(kind, count, drawn):
    KINDS[kind](count)
    axis = drawn[0].axes[0]
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in named}
    assert len(looks) == len(named) >= count


@pytest.mark.parametrize("y", [[0.5], [0.5, np.nan], [0.5, 0.4]])
def test_a_curve_of_one_point_is_visible(y, drawn):
    """A learning rate at which the first step diverges gives one point, which a line does not show."""
    plot.lines({"loss": (list(range(len(y))), y)}, "x.png", "x", "y")
    (line,) = drawn[0].axes[0].lines
    assert (line.get_marker() not in ("", "None")) == (np.isfinite(y).sum() == 1)


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 40])
def test_epochs_are_whole_numbers(epochs, drawn):
    plot.learning_curves(history(epochs), "x.png")
    plot.reproduction({1: 0.9}, [[0.8] * epochs], "x.png", "title")
    for axis in (axis for drawing in drawn for axis in drawing.axes):
        low, high = axis.get_xlim()
        ticks = [tick for tick in axis.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == int(tick) for tick in ticks)
        labels = [label.get_text() for label in axis.get_xticklabels() if label.get_text()]
        assert len(labels) == len(set(labels))


def test_ranges_of_several_methods_are_side_by_side(drawn):
    plot.study(some_study(6), "x.png")
    from matplotlib.collections import LineCollection

    bars = drawn[0].axes[0].collections
    assert len(bars) == 6 and all(isinstance(bar, LineCollection) for bar in bars)
    places = [segment[0, 0] for bar in bars for segment in bar.get_segments()]
    assert len(set(places)) == 24


@pytest.mark.parametrize("bottom", [None, 0.7])
def test_a_cut_axis_is_marked(bottom, drawn):
    study = some_study(3, bottom=bottom)
    plot.study(study, "x.png")
    (axis,) = drawn[0].axes
    label = axis.get_xlabel()
    triangles = [x for line in axis.lines if line.get_marker() == "v" for x in line.get_xdata()]
    if bottom is None:
        assert label == "labels" and not triangles
        assert axis.get_ylim()[0] <= min(min(run) for runs in study.runs.values() for run in runs)
    else:
        assert "the axis of accuracies begins at 0.7" in label
        below = sum(np.median(values) < bottom for method in study.runs for values in study.over_seeds(method))
        assert len(triangles) == below > 0


def test_the_pictures_of_the_bench_have_the_same_look(tmp_path, drawn, monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT))  # the bench is not part of the package
    from matplotlib.colors import to_rgba

    from bench import scale
    from bench.peers import picture

    point = {"us": 1.0, "gflops": 2.0}
    curve = {"batch": [point] * len(scale.BATCHES), "width": [point] * len(scale.WIDTHS)}
    scale.draw({1: curve, 2: curve}, tmp_path / "scale.png")
    rows = [
        {"study": "steps", "case": case, "threads": n, "seconds": {"minidnn": 1, "torch": 2, "jax": 3}}
        for case in "ab"
        for n in (1, 2)
    ]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    picture.draw(tmp_path / "results.json", tmp_path / "peers.png")
    for drawing in drawn:
        assert len(drawing.legends) == 1
        for axis in drawing.axes:
            assert not axis.spines["top"].get_visible()
            colours = {line.get_color() for line in axis.lines} | {bar.get_facecolor() for bar in axis.patches}
            known = {*plot.COLOURS, plot.INK} | {to_rgba(colour) for colour in plot.COLOURS}
            assert colours <= known


def test_without_a_path_the_figure_is_returned_and_shown_by_a_notebook(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    images = np.zeros((5, 28, 28, 1))
    figures = [
        history(3).plot(),
        plot.learning_curves(history(3)),
        plot.lines({"a": ([0, 1], [1, 2])}, None, "x", "y"),
        plot.study(some_study(2)),
        some_study(2).draw(),
        plot.reproduction({1: 0.9}, [[0.8, 0.9]], None, "title"),
        plot.grid({(0, 0): 0.5, (1, 0): 0.6}, None, "x", "y", "title"),
        plot.image_grid([images] * 3),
        plot.filters(np.zeros((784, 100), np.float32), (28, 28)),
    ]
    assert all(figure._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n" for figure in figures)
    assert not list(tmp_path.iterdir())
    assert history(3).plot(tmp_path / "curves.png").axes and (tmp_path / "curves.png").exists()
