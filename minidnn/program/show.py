"""A program as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minidnn.columns import columns
from minidnn.program.buffers import Buffer, Call

if TYPE_CHECKING:
    from minidnn.program.program import Program

_SHORT = {"float32": "f32", "float64": "f64", "int64": "i64", "int32": "i32", "uint64": "u64", "bool": "bool"}
WIDEST = 60
"""Characters for the buffers of a call; longer lists are cut."""


def as_text(program: Program) -> str:
    """The inputs and results, then one line per call: its kernel, what it writes and reads, its settings."""
    inputs = ", ".join(f"{buffer.name} {_type(buffer)}" for buffer in program.inputs)
    results = ", ".join(f"{buffer.name} {_type(buffer)}" for buffer in program.results) or "nothing"
    head = f"{program.name}({inputs}) -> {results}    {len(program.calls)} calls, {_size(program.nbytes)}"
    rows = [(f"{i:>3}", call.kernel, flow(call), settings(call)) for i, call in enumerate(program.calls)]
    return "\n".join([head, *columns(rows, left=(1, 2, 3)).splitlines()])


def flow(call: Call) -> str:
    """What a call writes and reads, as ``t1 <- x, hidden1.kernel``; changed ones appear on the left."""
    written = _names(call.writes)
    numbers = [value for value in call.settings.values() if isinstance(value, Buffer)]
    read = _names([buffer for buffer in (*call.reads, *numbers) if buffer not in call.writes])
    return (f"{written} <- {read}" if read else written) if written else f"<- {read}"


def settings(call: Call) -> str:
    """The settings that are not buffers, as ``momentum=0.9``."""
    return " ".join(
        f"{name}={_value(value)}"
        for name, value in call.settings.items()
        if not isinstance(value, Buffer) and not (name == "alpha" and value == 0)
    )


def _names(buffers: Sequence[Buffer]) -> str:
    text = ", ".join(dict.fromkeys(buffer.name for buffer in buffers))
    return text if len(text) <= WIDEST else f"{text[:WIDEST].rpartition(', ')[0]}, ... ({len(buffers)})"


def _type(buffer: Buffer) -> str:
    return f"{_SHORT.get(buffer.dtype, buffer.dtype)}[{','.join(map(str, buffer.shape))}]"


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e6:.1f} MB" if nbytes >= 1e5 else f"{nbytes / 1e3:.1f} kB"
