"""The code blocks of README.md and docs/*.md, and what they need to run.

Blocks of one page share a namespace and a temporary folder, in order. HTML comments right above a block say what is
special about it:

- ``<!-- not run: REASON -->``: it is only read.
- ``<!-- needs: MODULE -->``: it runs where this module is installed.
- ``<!-- files: NAME ... -->``: files of the reader's own that it reads; `FILES` makes small ones.
- ``<!-- run with: A as B; C as D -->``: the test writes B for A, so that it takes less time.

``<!-- LANGUAGE blocks not run: REASON -->`` anywhere on a page is for all of its blocks in that language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kit import CHECKOUT

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
LANGUAGES = {"python": "python", "bash": "bash", "sh": "bash", "shell": "bash", "console": "bash"}
FENCE = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```(\w+)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A block of code; `line` is that of its first line on the page."""

    page: Path
    line: int
    language: str
    code: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def runs_as(self) -> str:
        """The code with the shorter values that the page names.

        Raises:
            ValueError: a value that is not in the block.
        """
        code = self.code
        for change in filter(None, self.marks.get("run with", "").split("; ")):
            printed, shorter = change.split(" as ")
            if printed not in code:
                raise ValueError(f"{self}: 'run with' names {printed!r}, which is not in the block")
            code = code.replace(printed, shorter)
        return code


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in a language that can be run."""
    text, found = page.read_text(), []
    whole = dict(re.findall(r"<!-- (\w+) blocks not run: (.*?) -->", text))
    for match in FENCE.finditer(text):
        comments, language, code = match.groups()
        if language in LANGUAGES:
            marks = dict(re.findall(r"<!-- ([\w ]+): (.*?) -->", comments))
            if language in whole:
                marks["not run"] = whole[language]
            line = text.count("\n", 0, match.start(3)) + 1
            found.append(Block(page, line, LANGUAGES[language], code, marks))
    return found


def _table(path: Path, head: str, row: str, rows: int) -> None:
    """A table whose cells are made of a number in [0, 1) and a count."""
    numbers = np.random.default_rng(0).random(rows)
    path.write_text("\n".join([head, *(row.format(x=x, i=i) for i, x in enumerate(numbers))]) + "\n")


def _classes(path: Path) -> None:
    numbers = np.random.default_rng(0).random((60, 2))
    lines = [f"{a:.3f},{b:.3f},{'long' if a > b else 'wide'}" for a, b in numbers]
    path.write_text("\n".join(["length,width,kind", *lines]) + "\n")


def _passengers(path: Path, labels: bool = True) -> None:
    ports, rng = ("Cherbourg", "Queenstown", "Southampton"), np.random.default_rng(0)
    lines = [
        (f"{i % 2}," if labels else "") + f"Passenger {i},{('male', 'female')[i // 2 % 2]},{ports[i % 3]},"
        f"{'' if i % 10 == 3 else rng.integers(1, 80)},{rng.random() * 90:.2f}"
        for i in range(60)
    ]
    path.write_text("\n".join([("survived," if labels else "") + "name,sex,port,age,fare", *lines]) + "\n")


def _photos(path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (path / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path / name / f"{i}.png")


def _digit(path: Path) -> None:
    from PIL import Image

    Image.fromarray(_images()[0]).save(path)


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


FILES = {
    "cls.csv": _classes,
    "test.csv": _classes,
    "new.csv": _classes,
    "price.csv": lambda path: _table(path, "rooms,area,price", "{i},{x:.3f},{i}", 60),
    "titanic.csv": _passengers,
    "passengers.csv": _passengers,
    "later.csv": _passengers,
    "unknown.csv": lambda path: _passengers(path, labels=False),
    "photos": _photos,
    "digit.png": _digit,
    "array.npy": lambda path: np.save(path, _images().reshape(5, 784) / np.float32(255)),
    "images.npy": lambda path: np.save(path, _images()),
}
"""Makers of what pages take for files of the reader's own."""
