"""Plots, with matplotlib (the extra ``plot``).

Each function returns the figure; if path is None, it writes no file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn.files import atomic_write

if TYPE_CHECKING:
    from minidnn.study import Study
    from minidnn.training import History

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#cb912f", "#787774", "#d44c47")
MARKERS = ("o", "s", "^", "D")
INK, GRID = "#37352f", "#e4e3df"


def figure(columns: int = 1, width: float = 8.0, height: float = 3.4) -> tuple[Any, list[Any]]:
    """A figure with axes side by side, in the common style of all plots.

    Raises:
        ImportError: matplotlib is missing; names the extra.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plot: pictures need matplotlib; install it with: pip install "minidnn[plot]"') from error
    # An object of our own, not pyplot: no global state, no window, no display needed.
    drawing: Any = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = [drawing.add_subplot(1, columns, i + 1) for i in range(columns)]
    for axis in axes:
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(colors=INK, length=0, labelsize=9)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
    drawing._repr_png_ = partial(_bytes, drawing, dpi=100)  # shown by a notebook without %matplotlib, too
    return drawing, axes


def write(drawing: Any, path: str | os.PathLike[str] | None) -> Any:
    """Writes the figure atomically, in the format of the suffix (.png, .svg, .pdf), and returns it.

    Args:
        path: None writes no file; a notebook shows the returned figure.

    Raises:
        ValueError: matplotlib does not support the suffix.
        OSError: the file cannot be written.
    """
    if path is None:
        return drawing
    kind = Path(path).suffix.lstrip(".").lower()
    if kind not in (known := drawing.canvas.get_supported_filetypes()):
        raise ValueError(f"plot: {path} must end in one of {', '.join(f'.{k}' for k in sorted(known))}")
    atomic_write(path, _bytes(drawing, kind))
    return drawing


def _bytes(drawing: Any, kind: str = "png", dpi: int = 160) -> bytes:
    content = io.BytesIO()
    drawing.savefig(content, format=kind, dpi=dpi)
    return content.getvalue()


def legend(drawing: Any) -> None:
    """Adds a legend below the axes; none for a single curve."""
    entries = {label: handle for axis in drawing.axes for handle, label in zip(*_entries(axis), strict=True)}
    if len(entries) > 1:
        room, wanted = 11 * drawing.get_figwidth(), max(map(len, entries)) + 8  # in letters
        columns = max(1, min(len(entries), int(room / wanted)))
        drawing.set_figheight(drawing.get_figheight() + 0.1 + 0.19 * -(-len(entries) // columns))
        options = {"fontsize": 9, "labelcolor": INK, "frameon": False, "ncols": columns, "handlelength": 2.8}
        drawing.legend(entries.values(), entries.keys(), loc="outside lower center", **options)


def learning_curves(histories: History | Mapping[str, History], path: str | os.PathLike[str] | None = None) -> Any:
    """Draws the loss and up to two metrics over the epochs: training dashed, validation solid.

    The training loss contains penalties, as in `History`; the validation loss does not.

    Args:
        histories: one run, or several by name.
        path: the file of the picture; its suffix is the format.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        ValueError: no epoch was finished, or an unknown suffix.
        OSError: the file cannot be written.
    """
    runs = dict(histories) if isinstance(histories, Mapping) else {"": histories}
    if not any(len(history) for history in runs.values()):
        raise ValueError("learning_curves: there is no finished epoch to draw")
    quantities = ["loss", *_measured(runs)]
    drawing, axes = figure(columns=len(quantities), width=4.0 * len(quantities))
    for axis, quantity in zip(axes, quantities, strict=True):
        for i, (name, history) in enumerate(runs.items()):
            valid = _style(i)
            train = _style(1) if len(runs) == 1 else dict(valid)
            _curve(axis, history, quantity, "" if name else "training", train | {"linestyle": "--"})
            _curve(axis, history, f"valid_{quantity}", name or "validation", valid)
        if len(runs) > 1:  # one entry per run, and two for the line styles
            for label, line in (("training", "--"), ("validation", "-")):
                axis.plot([], [], line, color=INK, linewidth=1.8, label=label)
        _epochs(axis, max(map(len, runs.values())))
        axis.set_title(quantity, color=INK, fontsize=10, loc="left")
    legend(drawing)
    return write(drawing, path)


def _measured(runs: Mapping[str, History]) -> list[str]:
    """The first two metrics, measured on training or validation data."""
    other = ("epoch", "step", "lr", "loss", "seconds", "examples_per_second")
    names = [name for history in runs.values() for row in history.rows for name in row]
    known = {name.removeprefix("valid_") for name in names if name.startswith("valid_")} | {"accuracy", "mae", "r2"}
    metrics = [name for name in names if name not in other and name in known]
    return list(dict.fromkeys(metrics))[:2]


Curve = tuple[Sequence[float], Sequence[float]]


def lines(
    curves: Mapping[str, Curve],
    path: str | os.PathLike[str] | None,
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    mark: float | None = None,
) -> Any:
    """Draws curves (x, y) by name.

    Args:
        mark: an x to mark with a vertical line.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    drawing, (axis,) = figure(width=6.0)
    for i, (name, (x, y)) in enumerate(curves.items()):
        needs_marker = i >= len(COLOURS) or np.isfinite(y).sum() < 2  # a single point draws no line
        axis.plot(x, y, label=name, **_style(i) | ({} if needs_marker else {"marker": ""}))
    if log_x:
        axis.set_xscale("log")
    if log_y:
        axis.set_yscale("log")
    if mark is not None:
        axis.axvline(mark, color=INK, linewidth=1, linestyle=":")
        axis.annotate(f" {mark:.2g}", (mark, 0.95), xycoords=("data", "axes fraction"), fontsize=9, color=INK)
    axis.set_xlabel(x_label, color=INK, fontsize=9)
    axis.set_ylabel(y_label, color=INK, fontsize=9)
    legend(drawing)
    return write(drawing, path)


def reproduction(
    published: Mapping[int, float], runs: Sequence[Sequence[float]], path: str | os.PathLike[str] | None, title: str
) -> Any:
    """Draws test accuracies over the epochs: the published ones, and the median and range of ours.

    Args:
        published: epoch -> accuracy.
        runs: the accuracy after every epoch, for each seed.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    ours = np.asarray(runs)
    epochs = np.arange(1, ours.shape[1] + 1)
    drawing, (axis,) = figure(width=6.0)
    axis.fill_between(epochs, ours.min(axis=0), ours.max(axis=0), color=COLOURS[0], alpha=0.2, linewidth=0)
    label = f"minidnn, median and range of {len(runs)}"
    axis.plot(epochs, np.median(ours, axis=0), color=COLOURS[0], label=label, linewidth=1.8)
    shown = {epoch: accuracy for epoch, accuracy in published.items() if epoch <= len(epochs)}
    style = "o--" if len(shown) > 2 else "o"
    axis.plot(list(shown), list(shown.values()), style, color=COLOURS[1], label="published", linewidth=1.2)
    _epochs(axis, len(epochs))
    axis.set_title(f"{title}: test accuracy", color=INK, fontsize=10, loc="left")
    legend(drawing)
    return write(drawing, path)


def study(study: Study, path: str | os.PathLike[str] | None = None) -> Any:
    """Draws each method's accuracy over x: the median over the seeds as a line, their range as a bar at each point.

    The methods are drawn with a small horizontal offset, so that their bars do not overlap. An axis that does not begin
    at the lowest value is marked as cut; points below it are drawn as triangles.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    drawing, (axis,) = figure(width=6.4, height=3.8)
    positions = np.asarray(study.x, float)
    log = bool(positions.min() > 0 and positions.max() >= 8 * positions.min())
    if log:
        axis.set_xscale("log")
    for i, method in enumerate(study.runs):
        places = _shifted(positions, i - (len(study.runs) - 1) / 2, log)
        values, style = np.asarray(study.over_seeds(method)), _style(i)
        medians = np.median(values, axis=1)
        axis.vlines(places, values.min(axis=1), values.max(axis=1), color=style["color"], alpha=0.6, linewidth=2.2)
        line = {"linestyle": "--" if method == study.baseline else "-"}
        axis.plot(places, medians, label=method, **style | line)
        if study.bottom is not None and len(below := places[medians < study.bottom]):
            axis.plot(below, np.full(len(below), study.bottom), "v", color=style["color"], markersize=6, clip_on=False)
    axis.set_xticks(positions, [f"{x:,g}" for x in study.x])
    axis.minorticks_off()
    axis.set_xlabel(study.x_label, color=INK, fontsize=9)
    if study.log:
        axis.set_yscale("log")
    axis.set_title(f"{study.title}: {study.measure}", color=INK, fontsize=10, loc="left")
    if study.bottom is not None:
        highest = max(accuracy for runs in study.runs.values() for run in runs for accuracy in run)
        axis.set_ylim(study.bottom, highest + 0.05 * (highest - study.bottom))
        _cut(axis, study.bottom)
    legend(drawing)
    return write(drawing, path)


def grid(
    cells: Mapping[tuple[int, int], float], path: str | os.PathLike[str] | None, x_label: str, y_label: str, title: str
) -> Any:
    """Draws numbers over two counts, (x, y) -> number, as coloured squares with the number in each.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    across, up = sorted({x for x, _ in cells}), sorted({y for _, y in cells})
    sheet = np.full((len(up), len(across)), np.nan)
    for (x, y), value in cells.items():
        sheet[up.index(y), across.index(x)] = value
    drawing, (axis,) = figure(width=1.6 + 0.9 * len(across), height=1.2 + 0.7 * len(up))
    axis.grid(visible=False)
    axis.imshow(sheet, cmap="Blues", origin="lower", aspect="auto")
    low, high = np.nanmin(sheet), np.nanmax(sheet)
    for (x, y), value in cells.items():
        colour = "white" if value > low + 0.6 * (high - low) else INK
        at = across.index(x), up.index(y)
        axis.text(*at, f"{value:.4f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(across)), across)
    axis.set_yticks(range(len(up)), up)
    axis.set_xlabel(x_label, color=INK, fontsize=9)
    axis.set_ylabel(y_label, color=INK, fontsize=9)
    axis.set_title(title, color=INK, fontsize=10, loc="left")
    return write(drawing, path)


def image_grid(columns: Sequence[Any], path: str | os.PathLike[str] | None = None) -> Any:
    """Draws images side by side: the first column of (n, h, w, c) in [0, 1] or bytes, then the others.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    n, h, w, _ = columns[0].shape
    gap = max(1, h // 14)
    sheet = np.ones((n * (h + gap) - gap, len(columns) * (w + gap) + gap, 3))
    for j, images in enumerate(columns):
        scaled = images / 255.0 if images.dtype == np.uint8 else images  # one channel is broadcast to three
        left = j * (w + gap) + (2 * gap if j else 0)
        for i in range(n):
            sheet[i * (h + gap) : i * (h + gap) + h, left : left + w] = scaled[i]
    drawing, (axis,) = figure(width=sheet.shape[1] / 40, height=sheet.shape[0] / 40)
    axis.set_axis_off()
    axis.imshow(sheet, interpolation="nearest", vmin=0, vmax=1)
    return write(drawing, path)


def filters(
    weights: Any,
    image_shape: tuple[int, int],
    path: str | os.PathLike[str] | None = None,
    count: int = 100,
    columns: int = 20,
) -> Any:
    """Draws the incoming weights of hidden units as images: 0 is grey, a unit's largest magnitude black or white.

    Args:
        weights: (h * w, n_hidden), the kernel of a dense layer or of an RBM.
        image_shape: (h, w).
        count: the number of units to draw, from the first.
        columns: the number of units in a row of the picture.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        ValueError: the shape of weights does not match image_shape.
        OSError: the file cannot be written.
    """
    kernel, (h, w) = np.asarray(getattr(weights, "data", weights), np.float64), image_shape
    if kernel.ndim != 2 or kernel.shape[0] != h * w or not kernel.size:
        raise ValueError(f"filters: weights has shape {kernel.shape}, must be ({h * w}, n_hidden) for images {h} x {w}")
    images = kernel[:, :count].T.reshape(-1, h, w)
    largest = np.abs(images).max(axis=(1, 2), keepdims=True)
    images = 0.5 + 0.5 * images / np.where(largest > 0, largest, 1)
    rows, gap = -(-len(images) // columns), max(1, h // 14)
    sheet = np.ones((rows * (h + gap) - gap, min(columns, len(images)) * (w + gap) - gap))
    for i, image in enumerate(images):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = image
    drawing, (axis,) = figure(width=sheet.shape[1] / 70, height=sheet.shape[0] / 70)
    axis.set_axis_off()
    axis.imshow(sheet, cmap="gray", interpolation="nearest", vmin=0, vmax=1)
    return write(drawing, path)


def _entries(axis: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axis.get_legend_handles_labels()
    return handles, labels


def _style(i: int) -> dict[str, Any]:
    """The style of the i-th curve; when the colours run out, markers distinguish curves."""
    marker = MARKERS[i // len(COLOURS) % len(MARKERS)]
    return {"color": COLOURS[i % len(COLOURS)], "marker": marker, "linewidth": 1.8, "markersize": 3.5}


def _shifted(positions: Any, place: float, log: bool) -> Any:
    """The positions, shifted by ``place`` steps of about 1 % of the axis."""
    if len(positions) < 2:
        return positions + 0.01 * place
    if log:
        return positions * (positions.max() / positions.min()) ** (0.008 * place)
    return positions + 0.008 * place * (positions.max() - positions.min())


def _epochs(axis: Any, count: int) -> None:
    """Integer tick labels on an axis of epochs; a single one for a single epoch."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if count == 1:
        axis.set_xlim(0.5, 1.5)
        axis.set_xticks([1])
    axis.set_xlabel("epoch", color=INK, fontsize=9)


def _cut(axis: Any, bottom: float) -> None:
    """Marks the left axis as cut with two strokes, and explains them below the plot."""
    strokes = {"marker": [(-1, -0.5), (1, 0.5)], "markersize": 9, "linestyle": "none", "clip_on": False}
    axis.plot([0, 0], [0.025, 0.045], transform=axis.transAxes, color=INK, markeredgewidth=1.2, **strokes)
    note = f"the axis of accuracies begins at {bottom:g}; points below it are triangles"
    axis.set_xlabel(f"{axis.get_xlabel()}\n{note}", color=INK, fontsize=9)


def _curve(axis: Any, history: History, column: str, label: str, style: dict[str, Any]) -> None:
    points: Sequence[tuple[int, float]] = [(row["epoch"], row[column]) for row in history.rows if column in row]
    if points:
        epochs, values = zip(*points, strict=True)
        axis.plot(epochs, values, label=label, **style)
