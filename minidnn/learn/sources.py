"""Solutions from the reference: its sources without annotations, with the helpers that they call."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def plain_source(*functions: Callable[..., Any]) -> str:
    """The functions as plain Python, preceded by the helpers and constants that they use in their module."""
    texts: dict[str, str] = {}
    for function in functions:
        _collect(function, texts)
    return "\n\n\n".join(texts.values())


def _collect(function: Callable[..., Any], texts: dict[str, str]) -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    module = inspect.getmodule(function)
    for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
        helper = getattr(module, name, None)
        if inspect.isfunction(helper) and helper.__module__ == module.__name__ and name not in texts:  # type: ignore[union-attr]
            _collect(helper, texts)
        elif isinstance(helper, float):
            texts[name] = f"{name} = {helper!r}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, *node.args.kwonlyargs):
                argument.annotation = None
    texts[function.__name__] = ast.unparse(tree)
