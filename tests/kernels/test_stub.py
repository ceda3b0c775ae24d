"""The typed stub, the module and the reference agree on every name and parameter."""

import ast
import inspect
from importlib.resources import files

import pytest

from minidnn import kernels, reference
from minidnn.activations import ACTIVATIONS
from minidnn.optimizers import KERNELS

pytestmark = pytest.mark.compiled

OF_ROWS = {name + part for name in ACTIVATIONS for part in ("", "_backward")} | {*KERNELS}
"""Generated from the rows, in C++ and in Python; the stub leaves them out."""

STUB = ast.parse((files("minidnn") / "_core.pyi").read_text())
FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
ATTRIBUTES = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)}


def parameters(function):
    positional = [a.arg for a in function.args.args] + (["*"] if function.args.vararg else [])
    return positional, [a.arg for a in function.args.kwonlyargs]


def compiled(name):
    """The signature that pybind11 writes into the docstring."""
    line = getattr(kernels._core, name).__doc__.splitlines()[0]
    return ast.parse(f"def {line}: ...").body[0]


def test_names():
    assert {name for name in dir(kernels._core) if not name.startswith("__")} == {
        *FUNCTIONS,
        *OF_ROWS,
        *ATTRIBUTES,
        *CLASSES,
    }
    for name, node in CLASSES.items():
        members = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        members |= {part.target.id for part in node.body if isinstance(part, ast.AnnAssign)}
        own = {member for member in vars(getattr(kernels._core, name)) if not member.startswith("_")}
        assert own == {member for member in members if not member.startswith("_")}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters(name):
    assert parameters(FUNCTIONS[name]) == parameters(compiled(name))


@pytest.mark.parametrize("name", [*sorted(OF_ROWS), *(name for name in FUNCTIONS if hasattr(reference, name))])
def test_the_reference_has_the_same_signature(name):
    positional, keyword = parameters(compiled(name) if name in OF_ROWS else FUNCTIONS[name])
    own = inspect.signature(getattr(reference, name)).parameters.values()
    names = ["*" if p.kind is inspect.Parameter.VAR_POSITIONAL else p.name for p in own]
    assert positional == [
        name for name, p in zip(names, own, strict=True) if p.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert keyword == [p.name for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY]


def test_docs_are_the_references():
    for name in set(FUNCTIONS) & set(reference.__all__) - {"fingerprint"}:
        assert ast.get_docstring(FUNCTIONS[name]) == inspect.getdoc(getattr(reference, name)).splitlines()[0]
