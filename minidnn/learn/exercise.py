"""The description of an exercise."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Functions = Mapping[str, Callable[..., Any]]
Answer = tuple[str, Any]
"""The origin of an array, such as "adam_step, step 2: v", and the array."""

LEVELS = {1: "one line", 2: "a formula", 3: "a formula with state", 4: "sums", 5: "backward", 6: "a whole part"}


@dataclass(frozen=True)
class Exercise:
    """Functions to write, and how they are checked.

    Attributes:
        name: the name of the exercise.
        level: its difficulty, a key of `LEVELS`.
        task: a description of what to compute.
        solution: the source text of a solution.
        hint: a first step.
        answers: calls functions and yields their results; called with the user's functions and with `truth`.
        truth: the names of the functions to write -> compiled kernels, or functions that use them.
        mistakes: the description of a mistake -> the source text of a solution with this mistake.
        sums: whether results are sums, so that rounding is measured against the largest of them.
        blank: the source text to begin with; if empty, it is made from the solution.
        imports: the import lines of the file.
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
            f"It runs this file as your own program, and compares the results with the compiled kernel.\n"
            f"minidnn learn {self.name} --hint gives a hint; --solution shows a solution."
        )
        return f'"""{head}\n"""\n\n{self.imports}\n\n\n{self.blank or _emptied(self.solution, self.functions)}\n'

    def run(self, source: str) -> dict[str, Any]:
        """Runs a source text and returns the names that it defines."""
        names: dict[str, Any] = {"__name__": f"minidnn.learn.{self.name}"}
        exec(f"import math\n{self.imports}\n{source}", names)
        return names


def _emptied(source: str, keep: Iterable[str]) -> str:
    """The functions of these names, with their bodies removed."""
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
