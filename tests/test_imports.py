"""What importing costs, and who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minidnn

PACKAGE = Path(minidnn.__file__).parent

# Each may import those before it, never those behind it.
LAYERS = [
    ("activations",),
    ("reference", "_core", "files", "locks", "plot"),
    ("kernels",),
    ("doors",),
    ("handle", "leaves", "operators", "recording", "tensor", "config", "random"),
    ("ops", "checks"),
    ("gradients",),
    ("schedules", "nn", "optim", "data", "parallel"),
    ("program",),
    ("recipes", "models", "reuse", "pretraining", "convert", "zoo", "training", "deploy", "study"),
    ("explaining",),
    ("learn", "playground"),
    ("cli", "notebook", "lessons"),
]
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

# At call time only, or for the types only.
LATE = {("random", "data"), ("recording", "tensor"), ("leaves", "tensor"), ("plot", "training"), ("plot", "study")}


def imports(tree):
    """The parts of minidnn that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "minidnn" else [node.module]
            )
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("minidnn."))


MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"
)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_imports_upward(path):
    own = path.parts[0].removesuffix(".py")
    for imported in imports(ast.parse((PACKAGE / path).read_text())):
        if imported in LEVELS and (own, imported) not in LATE:
            assert LEVELS[imported] <= LEVELS[own], f"{path} imports minidnn.{imported}"
        if imported == "_core":
            assert own == "kernels", f"{path} imports _core"


def test_every_part_has_a_level():
    assert {path.parts[0].removesuffix(".py") for path in MODULES} <= set(LEVELS)


def test_importing_is_quiet_and_light():
    code = (
        "import sys, minidnn\n"
        "print([name for name in ('matplotlib', 'tqdm', 'safetensors', 'minidnn.training') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n" and done.stderr == ""


def test_everything_public_can_be_reached():
    for name in minidnn.__all__:
        assert getattr(minidnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'tensorr'"):
        minidnn.tensorr  # noqa: B018


def test_dir_has_all_that_is_public_and_nothing_else():
    assert [name for name in dir(minidnn) if not name.startswith("_")] == sorted(minidnn.__all__)


def test_type_checkers_see_every_name_that_is_loaded_late():
    [block] = [node for node in ast.parse(Path(minidnn.__file__).read_text()).body if isinstance(node, ast.If)]
    seen = {
        alias.name: (f"minidnn.{alias.name}", "") if node.module == "minidnn" else (node.module, alias.name)
        for node in block.body
        for alias in node.names
    }
    assert seen == minidnn._LAZY


def test_the_version_stands_in_one_place():
    from importlib.metadata import version

    assert version("minidnn") == minidnn.__version__
