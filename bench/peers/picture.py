"""How many times as long as minidnn each peer takes, as bars."""

from __future__ import annotations

import json
from pathlib import Path


def draw(results: Path, file: Path) -> None:
    from matplotlib.figure import Figure

    rows = [row for row in json.loads(results.read_text()) if row["study"] == "steps"]
    counts = sorted({row["threads"] for row in rows})
    figure = Figure(figsize=(6 * len(counts), 6), layout="constrained")
    for axes, threads in zip(figure.subplots(1, len(counts), squeeze=False)[0], counts, strict=True):
        mine = [row for row in rows if row["threads"] == threads]
        names = [name for name in mine[0]["seconds"] if not name.startswith("minidnn")]
        height = 0.8 / len(names)
        for i, name in enumerate(names):
            ratios = [row["seconds"].get(name, 0) / row["seconds"]["minidnn"] for row in mine]
            axes.barh([place + i * height for place in range(len(mine))], ratios, height, label=name)
        axes.axvline(1, color="black", label="minidnn")
        axes.set_yticks([place + 0.4 - height / 2 for place in range(len(mine))], [row["case"] for row in mine])
        axes.invert_yaxis()
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("time of a step, minidnn's being 1")
        axes.set_title(f"{threads} thread{'s' if threads > 1 else ''}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(names), frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
