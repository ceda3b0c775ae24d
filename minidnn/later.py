"""Lazy loading of a package's names on first use (PEP 562), which keeps its import fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def later(
    package: str, public: Sequence[str], names: Mapping[str, str], modules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package, to be assigned beside its ``__all__``.

    A name is loaded once and then stands in the package as if it had been imported. No name may be that of a submodule
    which holds it: whoever imports the submodule sets that name in the package to the submodule.

    Args:
        package: its ``__name__``.
        public: its ``__all__``, which `dir` shows; read when `dir` is called.
        names: module -> the names that it holds, separated by spaces.
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
