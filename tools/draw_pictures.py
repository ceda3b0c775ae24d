"""Redraws the pictures of docs/ from stored results, after a change of `minidnn.plot`.

    python tools/draw_pictures.py [RESULTS.json ...]

Results that `minidnn reproduce` wrote are first merged into docs/pictures/results.json. The picture of the peers is
drawn from the table in docs/performance.md.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from minidnn import plot
from minidnn.study import Study

CHECKOUT = Path(__file__).resolve().parent.parent
PICTURES = CHECKOUT / "docs" / "pictures"
RESULTS = PICTURES / "results.json"


def draw(name: str, document: dict[str, Any]) -> None:
    path = PICTURES / f"reproduce-{name}.png"
    if "methods" in document:
        Study.of(name, document).draw(path)
    else:
        published = {int(epoch): accuracy for epoch, accuracy in document["published"].items()}
        plot.reproduction(published, document["runs"], path, name)


def peers() -> list[dict[str, Any]]:
    """The rows of the first table of docs/performance.md."""
    text = (CHECKOUT / "docs" / "performance.md").read_text()
    table = re.search(r"^\| step, microseconds .*?\n\n", text, re.DOTALL | re.MULTILINE)
    if table is None:
        raise SystemExit("docs/performance.md has no table of steps")
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.group().splitlines() if line
    ]
    names = head[2:-1]
    return [
        {
            "study": "steps",
            "case": case,
            "threads": int(threads),
            "seconds": dict(zip(names, map(float, times), strict=True)),
        }
        for case, threads, *times, _ in rows
    ]


def main(files: list[str]) -> None:
    sys.path.insert(0, str(CHECKOUT))
    from bench.peers.picture import draw as draw_peers

    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for file in files:
        results |= json.loads(Path(file).read_text())["experiments"]
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    for name, document in results.items():
        draw(name, document)
        print(name)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "results.json"
        table.write_text(json.dumps(peers()))
        draw_peers(table, PICTURES / "peers.png")


if __name__ == "__main__":
    main(sys.argv[1:])
