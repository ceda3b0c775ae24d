"""Draws each peer's time divided by minidnn's, as bars."""

from __future__ import annotations

import json
from pathlib import Path


def draw(results: Path, file: Path) -> None:
    from minidnn import plot

    rows = [row for row in json.loads(results.read_text()) if row["study"] == "steps"]
    counts = sorted({row["threads"] for row in rows})
    drawing, axes = plot.figure(columns=len(counts), width=5 * len(counts), height=5.4)
    for axis, threads in zip(axes, counts, strict=True):
        mine = [row for row in rows if row["threads"] == threads]
        names = [name for name in mine[0]["seconds"] if not name.startswith("minidnn")]
        height = 0.8 / len(names)
        for i, name in enumerate(names):
            ratios = [row["seconds"].get(name, 0) / row["seconds"]["minidnn"] for row in mine]
            places = [place + i * height for place in range(len(mine))]
            axis.barh(places, ratios, height, label=name, color=plot.COLOURS[i])
        axis.axvline(1, color=plot.INK, label="minidnn")
        axis.set_yticks([place + 0.4 - height / 2 for place in range(len(mine))], [row["case"] for row in mine])
        if axis is not axes[0]:
            axis.set_yticklabels([])  # the same as those on the left
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("time of a step, minidnn's being 1", color=plot.INK, fontsize=9)
        axis.set_title(f"{threads} thread{'s' if threads > 1 else ''}", color=plot.INK, fontsize=10, loc="left")
    plot.legend(drawing)
    file.parent.mkdir(parents=True, exist_ok=True)
    plot.write(drawing, file)
