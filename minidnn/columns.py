"""Tables as text: aligned columns for the terminal, or Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence


def columns(rows: Iterable[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Returns one line per row, with two spaces between the columns.

    Args:
        rows: with the same number of cells; the first may be the header.
        left: the columns to align left, such as words; the others are aligned right, such as numbers.
    """
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'<' if i in left else '>'}{width}}}" for i, width in enumerate(widths))
    return "\n".join(form.format(*row).rstrip() for row in rows)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns the rows as a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
