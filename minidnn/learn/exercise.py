"""What an exercise is."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Functions = Mapping[str, Callable[..., Any]]
Answer = tuple[str, Any]
"""Where a number comes from, such as "adam_step, step 2: v", and the array."""

LEVELS = {1: "one line", 2: "a formula", 3: "a formula that keeps state", 4: "sums", 5: "backward", 6: "a whole part"}


@dataclass(frozen=True)
class Exercise:
    """Functions to write, and how they are judged.

    Attributes:
        name: what it is called by.
        level: its difficulty, a key of `LEVELS`.
        task: what is to be computed.
        solution: source text that does.
        hint: a first step.
        answers: runs functions and gives their results one by one. It is run with the user's and with `truth`.
        truth: the compiled kernels, or what computes with them, under the names of the user's functions.
        mistakes: what went wrong -> source text that does just that.
        sums: results come from sums, so that rounding is measured against the largest one.
        blank: source text to begin with; made of the solution where it is empty.
        imports: lines that the file begins with.
    """

    name: str
    level: int
    task: str
    solution: str
    hint: str
    answers: Callable[[Functions], Iterable[Answer]]
    truth: Functions
    mistakes: Mapping[str, str] = field(default_factory=dict)
    sums: bool = False
    blank: str = ""
    imports: str = "import numpy as np"

    @property
    def functions(self) -> tuple[str, ...]:
        """The names that a file must define."""
        return tuple(self.truth)

    def file(self) -> str:
        """The text of a new file: the task, and functions without bodies."""
        head = (
            f"{self.task}\n\nWrite the body, then run\n\n    minidnn check {self.name}\n\n"
            f"It runs this file as a program of yours, and compares it with the compiled kernel.\n"
            f"minidnn learn {self.name} --hint helps; --solution shows one."
        )
        return f'"""{head}\n"""\n\n{self.imports}\n\n\n{self.blank or _emptied(self.solution, self.functions)}\n'

    def run(self, source: str) -> dict[str, Any]:
        """The names that a source text of this exercise defines."""
        names: dict[str, Any] = {"__name__": f"minidnn.learn.{self.name}"}
        exec(f"import math\n{self.imports}\n{source}", names)
        return names


def _emptied(source: str, keep: Iterable[str]) -> str:
    """The functions of these names without their bodies."""
    found = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    texts = []
    for name in keep:
        function = found[name]
        doc = ast.get_docstring(function)
        function.body = ast.parse("raise NotImplementedError").body
        text = ast.unparse(function)
        if doc:
            head, body = text.rsplit("\n", 1)
            text = f'{head}\n    """{doc.strip()}"""\n{body}'
        texts.append(text)
    return "\n\n\n".join(texts)
