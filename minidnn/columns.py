"""Tables as text, for the terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence


def columns(rows: Iterable[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """One line per row, with aligned columns two spaces apart.

    Args:
        rows: with equal numbers of cells; the first may be the header.
        left: indices of the left-aligned columns; the others are right-aligned.
    """
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'<' if i in left else '>'}{width}}}" for i, width in enumerate(widths))
    return "\n".join(form.format(*row).rstrip() for row in rows)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
