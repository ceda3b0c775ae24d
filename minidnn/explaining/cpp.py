"""Finds definitions in the C++ sources by the name of the kernel.

The sources are part of the installed package (``csrc`` next to this file); in a checkout they are two folders up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).resolve().parent

ALSO = {
    "bernoulli": ("uniform",),
    "dense": ("gemm_tile",),
    "dense_backward": ("gemm_tile",),
    "layer_norm_backward": ("layer_norm_sums",),
    "batch_norm_backward": ("batch_norm_sums",),
    "batch_norm_eval": ("batch_norm",),
    "batch_norm_eval_backward": ("batch_norm_sums",),
    "max_norm": ("rescale_columns", "rescale_rows"),
    "unit_norm": ("rescale_columns", "rescale_rows"),
    "matmul": ("gemm_tile",),
    "random_normal": ("Normal", "normal_quantile"),
    "random_bits": ("random_group", "philox"),
    "mean": ("sum", "double_sum"),
    "squared_norm": ("sum_of_squares", "double_sum"),
    "global_norm": ("sum_of_squares", "double_sum"),
    "l1_l2_penalty": ("sum_of_magnitudes", "sum_of_squares"),
    "packed_matmul": ("vector_panels",),
    "byte_matmul": ("byte_panels", "rescale"),
    "sparse_matmul": ("sparse_tile", "sparse_vector"),
    "sparse_byte_matmul": ("sparse_tile", "rescale"),
    "embedding_bag_backward": ("divide_by_count",),
    "prelu_backward": ("prelu_alpha",),
}
"""Kernel -> further definitions that it uses, apart from the one of its own name."""


@dataclass(frozen=True)
class Definition:
    """A struct, a function or an entry of the table of kernels.

    Attributes:
        name: its name in the source.
        file: its path, relative to ``csrc``.
        line: the number of its first line, from 1.
        text: its source text, without common indentation.
    """

    name: str
    file: str
    line: int
    text: str


def folder() -> Path:
    """The folder of the C++ sources.

    Raises:
        FileNotFoundError: they are neither in the package nor in a checkout around it.
    """
    for place in (_HERE / "csrc", _HERE.parent.parent / "csrc"):
        if (place / "kernels").is_dir():
            return place
    raise FileNotFoundError(f"explain: {_HERE / 'csrc'} is missing, must hold the C++ sources; reinstall minidnn")


def of_kernel(kernel: str) -> list[Definition]:
    """The definitions from which a kernel is compiled; empty if it has no compiled version or no formula of its own."""
    if not is_compiled(kernel):
        return []
    found = _named(kernel) or _named(kernel.removesuffix("_backward"))
    for name in ALSO.get(kernel, ()):
        found += _named(name)
    if kernel.endswith("_step"):
        found = _helpers(found) + found
    found = found or [d for d in _definitions() if d.name == kernel]
    return list(dict.fromkeys(found))


def is_compiled(kernel: str) -> bool:
    """Whether the sources bind a kernel of this name."""
    return f'"{kernel}"' in _bindings() or kernel.removesuffix("_backward").removesuffix("_step") in _listed()


@cache
def _bindings() -> str:
    return "\n".join(path.read_text() for path in sorted((folder() / "bindings").glob("*.cpp")))


@cache
def _listed() -> frozenset[str]:
    """The names in the lists of activations and updates from which their bindings are generated."""
    return frozenset(re.findall(r"^  X\((\w+),", (folder() / "kernels" / "table.hpp").read_text(), re.M))


def _helpers(found: list[Definition]) -> list[Definition]:
    """The functions that compute the members of an optimizer's struct."""
    text = "".join(d.text for d in found)
    return [
        d
        for d in _definitions()
        if d.file == "kernels/optim.hpp" and " double " in d.text and re.search(rf"\b{d.name}\(", text)
    ]


def _named(name: str) -> list[Definition]:
    wanted = {_plain(name), _plain(f"{name}_row")}
    return [d for d in _definitions() if _plain(d.name) in wanted and d.file.startswith("kernels/")]


def _plain(name: str) -> str:
    return name.replace("_", "").lower().removesuffix("step")


@cache
def _definitions() -> tuple[Definition, ...]:
    root = folder()
    paths = [path for part in ("kernels", "bindings") for path in sorted((root / part).glob("*.[hc]pp"))]
    found: list[Definition] = []
    for path in paths:
        text, file = path.read_text(), str(path.relative_to(root).as_posix())
        for pattern in (_STRUCT, _FUNCTION, *([_ENTRY] if path.name == "table.cpp" else [])):
            for match in pattern.finditer(text):
                block = _block(text, match.end() - 1, "{", "}")
                code = text[match.start() : match.end() - 1] + block + (";" if pattern is _STRUCT else "")
                line = text.count("\n", 0, match.start()) + 1
                found.append(Definition(match["name"], file, line, _dedented(_comment_before(text, match) + code)))
    return tuple(found)


_STRUCT = re.compile(r"^(?:template <[^\n]*>\n)?struct (?P<name>\w+) \{", re.M)
_FUNCTION = re.compile(
    r"^(?:template <[^\n]*>\n)?(?:MINIDNN_INLINE |constexpr |inline )*(?:[\w:]+[*&]? )+(?P<name>\w+)\([^;{}]*\) \{",
    re.M,
)
_ENTRY = re.compile(r"^    /\* (?P<name>\w+)[^\n]*\*/\n    \[\]\([^{]*\{", re.M)


def _comment_before(text: str, match: re.Match[str]) -> str:
    """The comment lines directly above a definition."""
    lines = text[: match.start()].splitlines(keepends=True)
    kept: list[str] = []
    while lines and lines[-1].startswith("//"):
        kept.insert(0, lines.pop())
    return "".join(kept)


def _block(text: str, start: int, opening: str, closing: str) -> str:
    """The text from start to the bracket that closes the first bracket opened after it."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == closing:
            depth -= 1
            if depth == 0:
                return text[start : i + 1]
    raise ValueError(f"explain: a bracket is never closed in {text[start : start + 40]!r}")


def _dedented(code: str) -> str:
    """Without the indentation that all lines but the first have in common."""
    lines = code.splitlines()
    first = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join([line[first:] if line[:first].isspace() or not first else line for line in lines])
