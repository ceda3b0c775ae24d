"""Lazy imports: names that a package loads on first use (PEP 562), so that importing it stays fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def later(
    package: str, public: Sequence[str], names: Mapping[str, str], modules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns ``__getattr__`` and ``__dir__`` of a package, to be assigned next to its ``__all__``.

    A name is loaded once and then set as an attribute of the package. It must differ from the name of the submodule
    that defines it: importing the submodule would replace the object by the submodule.

    Args:
        package: its ``__name__``.
        public: its ``__all__``, which `dir` shows; read when `dir` is called.
        names: module -> the names that it defines, separated by spaces.
        modules: the names of submodules, separated by spaces.
    """
    homes = {name: module for module, held in names.items() for name in held.split()}
    parts = frozenset(modules.split())

    def load(name: str) -> Any:
        if name in parts:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def show() -> list[str]:
        return sorted({*public, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return load, show
