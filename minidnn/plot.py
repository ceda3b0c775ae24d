"""Pictures, with matplotlib (the extra ``plot``)."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn.files import atomic_write

if TYPE_CHECKING:
    from minidnn.study import Study
    from minidnn.training import History

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#cb912f", "#787774", "#d44c47")
INK, GRID = "#37352f", "#e4e3df"


def figure(columns: int = 1, width: float = 8.0, height: float = 3.4) -> tuple[Any, list[Any]]:
    """A figure with axes side by side, in the look that all pictures here share.

    Raises:
        ImportError: matplotlib is missing; names the extra.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plot: pictures need matplotlib; install it with: pip install "minidnn[plot]"') from error
    # An object of our own, not pyplot: no global state, no window, no display needed.
    drawing = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = [drawing.add_subplot(1, columns, i + 1) for i in range(columns)]
    for axis in axes:
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(colors=INK, length=0, labelsize=9)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
    return drawing, axes


def write(drawing: Any, path: str | os.PathLike[str]) -> None:
    """Writes the figure as the kind of file that the name says (.png, .svg, .pdf), whole or not at all.

    Raises:
        ValueError: a suffix that matplotlib does not know.
        OSError: the file cannot be written.
    """
    kind = Path(path).suffix.lstrip(".").lower()
    if kind not in (known := drawing.canvas.get_supported_filetypes()):
        raise ValueError(f"plot: {path} must end in one of {', '.join(f'.{k}' for k in sorted(known))}")
    content = io.BytesIO()
    drawing.savefig(content, format=kind, dpi=160)
    atomic_write(path, content.getvalue())


def learning_curves(histories: History | Mapping[str, History], path: str | os.PathLike[str]) -> None:
    """Draws the loss and up to two metrics over the epochs: training dashed, validation drawn through.

    Args:
        histories: one run, or several by name.
        path: the picture; its suffix says of which kind.

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
            colours = COLOURS[i % len(COLOURS)], COLOURS[i % len(COLOURS) if len(runs) > 1 else 1]
            _curve(axis, history, quantity, f"{name} training".strip(), colours[1], "--")
            _curve(axis, history, f"valid_{quantity}", f"{name} validation".strip(), colours[0], "-")
        axis.set_xlabel("epoch", color=INK, fontsize=9)
        axis.set_title(quantity, color=INK, fontsize=10, loc="left")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(frameon=False, fontsize=9, labelcolor=INK)
    write(drawing, path)


def _measured(runs: Mapping[str, History]) -> list[str]:
    """The metrics, of training and validation alike; the first two."""
    other = ("epoch", "step", "lr", "loss", "seconds", "examples_per_second")
    names = [name for history in runs.values() for row in history.rows for name in row]
    metrics = [
        name for name in names if name not in other and (f"valid_{name}" in names or name in ("accuracy", "mae", "r2"))
    ]
    return list(dict.fromkeys(metrics))[:2]


Curve = tuple[Sequence[float], Sequence[float]]


def lines(
    curves: Mapping[str, Curve],
    path: str | os.PathLike[str],
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    mark: float | None = None,
) -> None:
    """Draws curves (x, y) by name.

    Args:
        mark: an x to point out.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    drawing, (axis,) = figure(width=6.0)
    for i, (name, (x, y)) in enumerate(curves.items()):
        axis.plot(x, y, color=COLOURS[i % len(COLOURS)], label=name, linewidth=1.6)
    if log_x:
        axis.set_xscale("log")
    if log_y:
        axis.set_yscale("log")
    if mark is not None:
        axis.axvline(mark, color=INK, linewidth=1, linestyle=":")
        axis.annotate(f" {mark:.2g}", (mark, 0.95), xycoords=("data", "axes fraction"), fontsize=9, color=INK)
    axis.set_xlabel(x_label, color=INK, fontsize=9)
    axis.set_ylabel(y_label, color=INK, fontsize=9)
    if len(curves) > 1:
        axis.legend(frameon=False, fontsize=9, labelcolor=INK)
    write(drawing, path)


def reproduction(
    published: Mapping[int, float], runs: Sequence[Sequence[float]], path: str | os.PathLike[str], title: str
) -> None:
    """Draws test accuracies over the epochs: the published ones, and the median and range of ours.

    Args:
        published: epoch -> accuracy.
        runs: for each seed the accuracy after every epoch.

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
    axis.set_xlabel("epoch", color=INK, fontsize=9)
    axis.set_title(f"{title}: test accuracy", color=INK, fontsize=10, loc="left")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")
    write(drawing, path)


def study(study: Study, path: str | os.PathLike[str]) -> None:
    """Draws each method's accuracy over x: the median over the seeds as a line, their range as a band.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    drawing, (axis,) = figure(width=6.4, height=4.0)
    positions = np.asarray(study.x, float)
    for i, method in enumerate(study.runs):
        values, colour = np.asarray(study.over_seeds(method)), COLOURS[i % len(COLOURS)]
        axis.fill_between(positions, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.15, linewidth=0)
        style = {"color": colour, "linewidth": 1.8, "marker": "o", "markersize": 3.5, "label": method}
        axis.plot(positions, np.median(values, axis=1), "--" if method == study.baseline else "-", **style)
    if positions.min() > 0 and positions.max() >= 8 * positions.min():
        axis.set_xscale("log")
    axis.set_xticks(positions, [f"{x:,g}" for x in study.x])
    axis.minorticks_off()
    if study.bottom is not None:
        highest = max(accuracy for runs in study.runs.values() for run in runs for accuracy in run)
        axis.set_ylim(study.bottom, highest + 0.05 * (highest - study.bottom))
    axis.set_xlabel(study.x_label, color=INK, fontsize=9)
    axis.set_title(f"{study.title}: test accuracy", color=INK, fontsize=10, loc="left")
    axis.legend(facecolor="white", framealpha=0.8, edgecolor="none", fontsize=9, labelcolor=INK, loc="lower right")
    write(drawing, path)


def grid(
    cells: Mapping[tuple[int, int], float], path: str | os.PathLike[str], x_label: str, y_label: str, title: str
) -> None:
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
    write(drawing, path)


def image_grid(columns: Sequence[Any], path: str | os.PathLike[str]) -> None:
    """Draws images side by side: the first column of (n, h, w, c) in [0, 1] or bytes, then the others.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        OSError: the file cannot be written.
    """
    n, h, w, _ = columns[0].shape
    gap = max(1, h // 14)
    sheet = np.ones((n * (h + gap) - gap, len(columns) * (w + gap) + gap, 3))
    for j, images in enumerate(columns):
        scaled = images / 255.0 if images.dtype == np.uint8 else images  # one channel spreads to three
        left = j * (w + gap) + (2 * gap if j else 0)
        for i in range(n):
            sheet[i * (h + gap) : i * (h + gap) + h, left : left + w] = scaled[i]
    drawing, (axis,) = figure(width=sheet.shape[1] / 40, height=sheet.shape[0] / 40)
    axis.set_axis_off()
    axis.imshow(sheet, interpolation="nearest", vmin=0, vmax=1)
    write(drawing, path)


def filters(
    weights: Any, image_shape: tuple[int, int], path: str | os.PathLike[str], count: int = 100, columns: int = 20
) -> None:
    """Draws what hidden units look for: the weights into each as an image, black for its most negative, grey for 0.

    Args:
        weights: (h * w, n_hidden), the kernel of a dense layer or of an RBM.
        image_shape: (h, w).
        count: how many units, the first ones.
        columns: units in a row of the picture.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        ValueError: weights that are no images of that shape.
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
    write(drawing, path)


def _curve(axis: Any, history: History, column: str, label: str, colour: str, style: str) -> None:
    points: Sequence[tuple[int, float]] = [(row["epoch"], row[column]) for row in history.rows if column in row]
    if points:
        epochs, values = zip(*points, strict=True)
        axis.plot(epochs, values, style, color=colour, label=label, linewidth=1.8, marker="o", markersize=3.5)
