"""`minidnn.explain`: its excerpts equal the sources, for every kernel."""

import inspect

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import explaining, kernels, ops, optim, reference
from minidnn.cli import main


@pytest.mark.parametrize("kernel", reference.__all__)
def test_every_kernel_is_explained(kernel):
    parts = [part for part in explaining.explain(kernel).parts if part.kernel == kernel]
    assert len(parts) == 1
    assert parts[0].formula
    assert inspect.getsource(getattr(reference, kernel)).strip() in parts[0].numpy
    if kernels.INSTALLED:
        from minidnn import _core

        assert bool(parts[0].cpp) == hasattr(_core, kernel)


@pytest.mark.parametrize("kernel", reference.__all__)
def test_the_cpp_is_in_the_file_at_the_line(kernel):
    for definition in explaining.explain(kernel).parts[0].cpp:
        lines = (CHECKOUT / "csrc" / definition.file).read_text().splitlines()
        quoted = [line.strip() for line in definition.text.splitlines()]
        start = next(i for i, line in enumerate(quoted) if not line.startswith("//"))
        here = [line.strip() for line in lines[definition.line - 1 : definition.line - 1 + len(quoted) - start]]
        assert [line.rstrip(";,") for line in here] == [line.rstrip(";,") for line in quoted[start:]]


def test_explanation_of_adam():
    (part,) = minidnn.explain("adam").parts
    assert "v = beta2 * v + (1 - beta2) * grad**2" in part.formula
    assert "np.sqrt(v) * x(_root(beta2, step))" in part.numpy and "def _moments" in part.numpy
    assert "param = param - rate * m / (sqrt(v) * root + eps);" in part.code
    assert "return lr / (1 - __builtin_pow(beta1, step));" in part.code and "rounded<Adam>(rate_of(lr" in part.code


@pytest.mark.parametrize(
    "what",
    ["adam", "Adam", "adam_step", optim.Adam, reference.adam_step, kernels.adam_step],
    ids=["name", "class name", "kernel name", "class", "reference", "kernel"],
)
def test_adam_by_name_class_and_kernel(what):
    assert [part.kernel for part in minidnn.explain(what).parts] == ["adam_step"]


def test_an_instance_and_an_op():
    optimizer = optim.Lion([minidnn.Tensor(np.ones(2, np.float32), requires_grad=True)])
    assert minidnn.explain(optimizer).parts[0].kernel == "lion_step"
    assert [part.kernel for part in minidnn.explain(ops.elu).parts] == ["elu", "elu_backward"]


def test_text_markdown_and_html():
    explanation = minidnn.explain("sgd")
    assert "<td" in explanation._repr_html_() and "x(lr) * grad" in explanation._repr_html_()
    assert "&lt;" in minidnn.explain("relu")._repr_html_()
    assert explanation.markdown().count("```") == 6
    wide = explanation.side_by_side(300)
    assert any("import" not in line and "def sgd_step" in line and "csrc" in line for line in wide.splitlines())
    assert explanation.side_by_side(40) == str(explanation)
    assert repr(explanation) == "Explanation(sgd: sgd_step)"


def test_unknown_names():
    with pytest.raises(ValueError, match="name is 'adm', must be the name of a kernel; did you mean 'adam'"):
        minidnn.explain("adm")
    with pytest.raises(ValueError, match="minidnn explain lists them"):
        minidnn.explain("zzzzzz")
    with pytest.raises(TypeError, match="what is 3, must be a name"):
        minidnn.explain(3)


def test_command(capsys):
    assert main(["explain", "elu"]) == 0
    assert "expm1_below" in capsys.readouterr().out
    assert main(["explain"]) == 0
    assert capsys.readouterr().out.split() == sorted(reference.__all__)
    assert main(["explain", "adam", "--markdown"]) == 0
    assert "```cpp" in capsys.readouterr().out
    assert main(["explain", "adm"]) == 2


def test_the_sources_are_part_of_the_wheel():
    tomllib = pytest.importorskip("tomllib")
    packages = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["scikit-build"]["wheel"]["packages"]
    assert packages["minidnn/explaining/csrc"] == "csrc"
