"""Pictures of a program and of its profile, drawn with matplotlib (the extra ``plot``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minidnn import plot
from minidnn.program.buffers import Buffer, Call
from minidnn.program.show import as_text, flow

if TYPE_CHECKING:
    from minidnn.program.profiling import Profile
    from minidnn.program.program import Program

ARROWS = 1.6  # inches for the arrows at the left
KINDS = {"product": plot.COLOURS[0], "update": plot.COLOURS[1], "other": plot.COLOURS[2]}


def draw_program(program: Program, path: str | os.PathLike[str]) -> None:
    """Draws the calls from top to bottom; an arrow leads from the call that writes a value to each that reads it.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        ValueError: an unknown suffix.
        OSError: the file cannot be written.
    """
    head, *lines = as_text(program).split("\n")
    inches, row = 0.073, 0.21  # the width of a character and the height of a line at this font size
    width = inches * max(len(line) for line in (head, *lines))
    drawing, (axis,) = plot.figure(width=ARROWS + width + 0.2, height=row * (len(lines) + 2))
    axis.set_axis_off()
    axis.set_xlim(-ARROWS, width + 0.2)
    axis.set_ylim(len(lines) - 0.5, -1.8)
    type_face = {"fontsize": 8.5, "family": "monospace", "va": "center"}
    axis.text(0, -1.3, head, color=plot.INK, weight="bold", **type_face)
    for number, (line, call) in enumerate(zip(lines, program.calls, strict=True)):
        axis.text(0, number, line, color=_colour(call), **type_face)
    arrows = [(writer, reader) for writer, reader in sorted(_arrows(program.calls)) if reader - writer > 1]
    longest = max((reader - writer for writer, reader in arrows), default=1)
    for writer, reader in arrows:  # arrows to the next line are left out
        left = -0.1 - (ARROWS - 0.2) * (reader - writer) / longest
        axis.annotate(
            "",
            xy=(-0.03, reader - 0.15),
            xytext=(-0.03, writer + 0.15),
            arrowprops={
                "arrowstyle": "-|>",
                "color": plot.COLOURS[6],
                "linewidth": 0.6,
                "mutation_scale": 6,
                "connectionstyle": f"bar,fraction={_fraction(left, reader - writer, row)}",
            },
        )
    plot.write(drawing, path)


def draw_profile(profile: Profile, path: str | os.PathLike[str]) -> None:
    """Draws one bar per call; its length is the time of the call.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        ValueError: an unknown suffix.
        OSError: the file cannot be written.
    """
    rows = profile.rows
    drawing, (axis,) = plot.figure(width=9.0, height=0.3 * len(rows) + 1.2)
    axis.barh(range(len(rows)), [1e6 * row.seconds for row in rows], color=[_colour(row.call) for row in rows])
    axis.set_yticks(range(len(rows)), [f"{number}  {_short(row.call)}" for number, row in enumerate(rows)], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(f"microseconds, {profile.threads} thread{'s' * (profile.threads > 1)}", color=plot.INK, fontsize=9)
    for number, row in enumerate(rows):
        label = f"{row.rate}" + ("" if row.floor is None else f", {row.floor:.2f} x floor")
        axis.annotate(
            label, (1e6 * row.seconds, number), xytext=(4, 0), textcoords="offset points", fontsize=7.5, va="center"
        )
    axis.margins(x=0.3)
    axis.grid(axis="y", visible=False)
    plot.write(drawing, path)


def _fraction(left: float, lines: int, row: float) -> float:
    """How far a bracket reaches to the left, as a fraction of the distance of its ends, as matplotlib measures it."""
    return -left / (lines * row)


def _short(call: Call) -> str:
    """The kernel and the first parameter that it uses."""
    names = [buffer.name for buffer in (*call.writes, *call.reads) if buffer.role == "parameter"]
    return f"{call.kernel}  {names[0]}" if names else f"{call.kernel}  {flow(call)}"


def _colour(call: Call) -> str:
    return KINDS["product" if call.flops else "update" if call.kernel.endswith("_step") else "other"]


def _arrows(calls: Sequence[Call]) -> set[tuple[int, int]]:
    """(writer, reader) for each value that passes from one call to a later one."""
    writer: dict[int, int] = {}
    arrows = set()
    for number, call in enumerate(calls):
        numbers = [value for value in call.settings.values() if isinstance(value, Buffer)]
        arrows |= {(writer[id(buffer)], number) for buffer in (*call.reads, *numbers) if id(buffer) in writer}
        writer |= {id(buffer): number for buffer in call.writes}
    return arrows
