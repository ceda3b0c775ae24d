"""What `minidnn.explain` returns."""

from __future__ import annotations

import html
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from minidnn import optim, reference
from minidnn.checks import did_you_mean
from minidnn.explaining import cpp
from minidnn.explaining.cpp import Definition
from minidnn.optimizers import UPDATES


@dataclass(frozen=True)
class Part:
    """One kernel.

    Attributes:
        kernel: its name in `minidnn.kernels`.
        formula: the docstring of its reference; for an update also the formulas of its optimizer's docstring.
        numpy: the source of its reference, and of the helpers that it calls.
        cpp: the definitions from which it is compiled; empty if NumPy computes it.
    """

    kernel: str
    formula: str
    numpy: str
    cpp: tuple[Definition, ...]

    @property
    def code(self) -> str:
        """The C++ as one text; each definition follows a line with its file and line number."""
        if not self.cpp:
            return "// no compiled version: NumPy computes it"
        return "\n\n".join(f"// csrc/{d.file}:{d.line}\n{d.text}" for d in self.cpp)


@dataclass(frozen=True)
class Explanation:
    """Kernels that belong together, such as an activation and its derivative.

    ``print`` shows it as text, a notebook as a table, `markdown` as a section of a page.

    Attributes:
        name: the name that was looked up.
        parts: one for each kernel.
    """

    name: str
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return "\n\n".join(_text(part) for part in self.parts)

    def __repr__(self) -> str:
        return f"Explanation({self.name}: {', '.join(part.kernel for part in self.parts)})"

    def side_by_side(self, width: int) -> str:
        """Text of this many columns, NumPy left and C++ right; like ``str`` if the code does not fit."""
        pages = []
        for part in self.parts:
            left, right = part.numpy.splitlines(), part.code.splitlines()
            columns = max(map(len, left)) + 3
            if columns + max(map(len, right)) > width:
                pages.append(_text(part))
                continue
            left += [""] * (len(right) - len(left))
            right += [""] * (len(left) - len(right))
            rows = [f"{a:<{columns}}{b}".rstrip() for a, b in zip(left, right, strict=True)]
            pages.append("\n".join([_head(part), "", f"{'NumPy':<{columns}}C++", "", *rows]))
        return "\n\n".join(pages)

    def markdown(self) -> str:
        """A section of a Markdown page, with the sources in code blocks."""
        sections = [
            f"### `{part.kernel}`\n\n```text\n{part.formula}\n```\n\n```python\n{part.numpy}\n```\n\n"
            f"```cpp\n{part.code}\n```"
            for part in self.parts
        ]
        return "\n\n".join(sections) + "\n"

    def _repr_html_(self) -> str:
        cell = "vertical-align:top;text-align:left;white-space:pre;font-family:monospace"
        rows = [
            f"<tr><th colspan='2' style='text-align:left'><code>{part.kernel}</code></th></tr>"
            f"<tr><td colspan='2' style='{cell}'>{html.escape(part.formula)}</td></tr>"
            f"<tr><th style='text-align:left'>NumPy</th><th style='text-align:left'>C++</th></tr>"
            f"<tr><td style='{cell}'>{html.escape(part.numpy)}</td>"
            f"<td style='{cell}'>{html.escape(part.code)}</td></tr>"
            for part in self.parts
        ]
        return f"<table>{''.join(rows)}</table>"


def explain(what: Any) -> Explanation:
    """The formula, the NumPy reference and the C++ of a kernel, from the sources.

    Args:
        what: the name of a kernel (`names` lists them), with or without ``_step``; of an activation, which
            includes its derivative; an optimizer's class or instance; or a function of `ops`, `kernels` or `reference`.

    Raises:
        TypeError: what has no name.
        ValueError: there is no kernel of this name; the message suggests a similar name.
    """
    name = _name_of(what)
    kernels = _kernels_of(name)
    if not kernels:
        known = sorted({*names(), *(kernel.removesuffix("_step") for kernel in names())})
        remedy = did_you_mean(name, known, "minidnn explain lists them")
        raise ValueError(f"explain: name is {name!r}, must be the name of a kernel; {remedy}")
    return Explanation(name, tuple(_part(kernel) for kernel in kernels))


def names() -> list[str]:
    """Every kernel that can be explained, in alphabetical order."""
    return sorted(reference.__all__)


def _name_of(what: Any) -> str:
    if isinstance(what, str):
        return what
    if isinstance(what, optim.Optimizer):
        what = type(what)
    name = getattr(what, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"explain: what is {what!r}, must be a name, an optimizer or a function; try explain('adam')")
    return name


def _kernels_of(name: str) -> list[str]:
    key = name.strip().lower()
    wanted = (key, f"{key}_step", f"{key}_backward")
    found = [kernel for kernel in wanted if kernel in names()]
    if not found:
        found = [kernel for kernel in names() if kernel.removesuffix("_step").replace("_", "") == key.replace("_", "")]
    return found


@cache
def _part(kernel: str) -> Part:
    function = getattr(reference, kernel)
    return Part(kernel, _formula(function), _numpy(function), tuple(cpp.of_kernel(kernel)))


def _formula(function: Callable[..., Any]) -> str:
    """The docstring of the reference; if it does not define all slots, followed by the optimizer's formulas."""
    text = (inspect.getdoc(function) or "").replace("``", "").replace("`", "")
    slots = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY][2:]
    if not function.__name__.endswith("_step") or all(re.search(rf"\b{slot} \+?=", text) for slot in slots):
        return text
    name = function.__name__.removesuffix("_step")
    optimizer = getattr(optim, next(row.kind for row in UPDATES.values() if name in (row.name, *row.parts)))
    block = re.search(r"::\n\n((?:    .*\n|\n)+)", inspect.getdoc(optimizer) or "")
    return f"{text}\n\n{textwrap.dedent(block[1]).strip()}" if block else text


def _numpy(function: Callable[..., Any]) -> str:
    """The source, preceded by that of the private helpers that it calls in its module."""
    source = inspect.getsource(function)
    module = inspect.getmodule(function)
    helpers = [
        inspect.getsource(helper)
        for name in dict.fromkeys(re.findall(r"\b(_\w+)\(", source))
        if inspect.isfunction(helper := getattr(module, name, None))
    ]
    return "\n\n".join(text.strip("\n") for text in (*helpers, source))


def _head(part: Part) -> str:
    return f"{part.kernel}\n{'=' * len(part.kernel)}\n{part.formula}"


def _text(part: Part) -> str:
    return f"{_head(part)}\n\nNumPy\n-----\n{part.numpy}\n\nC++\n---\n{part.code}"
