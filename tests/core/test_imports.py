"""The cost of imports, and which module may import which."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import minidnn

PACKAGE = Path(minidnn.__file__).parent

# Each may import the ones before it, never the ones after it, also within functions.
LAYERS = [
    ("activations", "columns", "optimizers", "later", "version"),
    ("reference", "_core", "files", "locks", "plot", "standard_error"),
    ("kernels",),
    ("array_access", "pipeline"),
    ("handle", "leaves", "operators", "recording", "tensor", "config", "random"),
    ("ops", "checks"),
    ("gradients",),
    ("schedules", "nn", "optim", "data", "parallel"),
    ("program",),
    ("recipes", "models", "reuse", "pretraining", "convert", "zoo", "training", "deploy", "study"),
    ("explaining", "sklearn"),
    ("learn", "playground"),
    ("cli", "notebook", "lessons"),
]
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

FILES = {
    ".".join(["minidnn", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py*")
    if path.suffix in (".py", ".pyi")
}


def imports(path):
    """The modules of minidnn that a file imports, at its top or within functions; not those only for types."""
    waiting = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module in FILES:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in FILES else node.module for name in names)
        else:
            waiting += ast.iter_child_nodes(node)


MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"
)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_imports_upward(path):
    own = path.parts[0].removesuffix(".py")
    for part in (name.split(".")[1] for name in imports(PACKAGE / path) if "." in name):
        assert LEVELS[part] <= LEVELS[own], f"{path} imports minidnn.{part}"
        if part == "_core":
            assert own == "kernels", f"{path} imports _core"


def test_imports_have_no_circles():
    graph = {name: set(imports(path)) - {name} for name, path in FILES.items() if path.suffix == ".py"}
    assert "minidnn.kernels" in graph["minidnn.tensor"] and "minidnn.plot" in graph["minidnn.training.history"]
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_every_part_has_a_level():
    assert {path.parts[0].removesuffix(".py") for path in MODULES} <= set(LEVELS)


NEVER = {"matplotlib", "optuna", "pandas", "PIL", "pooch", "safetensors", "sklearn", "tensorboardX", "tqdm"}
"""Modules that no import of minidnn loads; a call loads only those that it uses."""


def loaded_by(statement):
    """The modules that a statement loads beyond those of NumPy, in a new process."""
    code = f"import sys, numpy; before = set(sys.modules)\n{statement}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return set(done.stdout.split())


def test_importing_loads_only_the_kernels():
    ours = {name for name in loaded_by("import minidnn") if name.split(".")[0] == "minidnn"}
    parts = {name.split(".")[1] for name in ours if "." in name}
    core = {"_core", "activations", "array_access", "config", "kernels", "later", "operators", "optimizers"}
    assert parts <= core | {"reference", "version"}


@pytest.mark.parametrize(
    ("package", "unused"),
    [
        ("data", "augment digits fetching frames idx images mnist sources splitting stacking standardize tables"),
        ("nn", "dropout embedding functions graph losses metrics normalization skip summary tracing"),
        ("optim", "adam adaptive clipping depth ftrl sgd"),
        ("training", "averaging early_stopping loggers plateau prune rates"),
    ],
)
def test_a_package_loads_names_when_they_are_first_used(package, unused):
    names = loaded_by(f"import minidnn.{package}")
    assert not NEVER & {name.split(".")[0] for name in names}
    assert not {f"minidnn.{package}.{name}" for name in unused.split()} & names


def test_the_first_operator_finds_the_ops():
    code = (
        "import sys, numpy\nfrom minidnn import Tensor\nassert 'minidnn.ops' not in sys.modules\n"
        "assert (Tensor(numpy.ones(2)) + 1).numpy().tolist() == [2, 2]"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_everything_public_can_be_reached():
    for name in minidnn.__all__:
        assert getattr(minidnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'tensorr'"):
        minidnn.tensorr  # noqa: B018


def test_dir_lists_exactly_the_public_names():
    assert [name for name in dir(minidnn) if not name.startswith("_")] == sorted(minidnn.__all__)


LATE = sorted(
    path.parent.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("__init__.py")
    if "import later\n" in path.read_text()
)


def test_packages_that_load_late_are_found():
    assert {".", "data", "nn", "optim", "training"} <= set(LATE)


def loaded_late(package):
    """(what type checkers see, what `later` is given) of a package: name -> its module, or "" for a module."""
    name = ".".join(["minidnn", *Path(package).parts])
    typed, late = [
        node for node in ast.parse((PACKAGE / package / "__init__.py").read_text()).body if isinstance(node, ast.If)
    ]
    seen = {
        alias.name: "" if node.module == name else node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    _, _, names, *modules = late.body[0].value.args
    given = {part: home for home, held in ast.literal_eval(names).items() for part in held.split()}
    return seen, given | dict.fromkeys(" ".join(map(ast.literal_eval, modules)).split(), "")


@pytest.mark.parametrize("package", LATE)
def test_type_checkers_see_every_name_that_is_loaded_late(package):
    seen, given = loaded_late(package)
    assert seen == given


@pytest.mark.parametrize("package", LATE)
def test_no_late_name_is_hidden_by_the_submodule_that_holds_it(package):
    _, given = loaded_late(package)
    for name, module in given.items():
        assert not module or not (PACKAGE / package / f"{name}.py").exists(), f"{package}: import {name} at once"


def test_dir_has_all_names_before_they_are_loaded_and_no_others():
    """Each package in a fork of a process that has imported nothing else."""
    names = [".".join(["minidnn", *Path(package).parts]) for package in LATE]
    code = (
        "import importlib, os, sys, minidnn\nfor name in sys.argv[1:]:\n    if os.fork():\n        os.wait()\n"
        "        continue\n    package = importlib.import_module(name)\n"
        "    print(name, set(dir(package)) >= set(package.__all__), hasattr(package, 'nothing'), flush=True)\n"
        "    os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, *names], capture_output=True, text=True)
    assert done.stdout == "".join(f"{name} True False\n" for name in names), done.stderr


def test_the_version_is_defined_once():
    from importlib.metadata import version

    assert version("minidnn") == minidnn.__version__
