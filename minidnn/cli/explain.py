"""``minidnn explain``: a kernel's formula, NumPy and C++."""

from __future__ import annotations

import argparse
import shutil
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "explain",
        help="show a kernel's formula, NumPy and C++ side by side",
        description="Shows the formula, the NumPy reference and the C++ of a kernel, taken from the sources. Without "
        "NAME it lists the kernels.",
    )
    parser.add_argument("name", nargs="?", help="a kernel, such as adam, elu or batch_norm")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from minidnn.explaining import explain, names

    if arguments.name is None:
        print("\n".join(names()))
        return 0
    explanation = explain(arguments.name)
    print(
        explanation.markdown() if arguments.markdown else explanation.side_by_side(shutil.get_terminal_size().columns)
    )
    return 0
