"""A tutorial, an example and lessons run as notebooks; figures are shown without a path."""

import runpy
from pathlib import Path

import pytest
from kit.documented import CHECKOUT, blocks

nbclient = pytest.importorskip("nbclient", reason='needs nbclient, of the extra "docs"')
nbformat = pytest.importorskip("nbformat", reason='needs nbformat, of the extra "docs"')
pytest.importorskip("ipykernel", reason='needs ipykernel, of the extra "docs"')

OPTIONS = 'import sys\n\nsys.argv = ["example", "--epochs", "1", "--examples", "200"]'

FEW_EXAMPLES = """
from minidnn import data

mnist = data.load_mnist()
data.load_mnist = lambda: data.Splits(*(part[:600] for part in mnist))
"""


def executed(cells, folder):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def tutorial(name):
    return [block.runs_as for block in blocks(CHECKOUT / "docs" / name) if block.language == "python"]


@pytest.mark.compiled
@pytest.mark.filterwarnings("default")  # of the libraries of ipykernel
def test_a_tutorial_is_a_notebook_with_a_model_a_history_and_its_curves(tmp_path):
    pytest.importorskip("matplotlib")
    notebook = executed([*tutorial("first_network.md"), "model", "history", "history.plot()"], tmp_path)
    model, history, curves = (cell.outputs[-1].data for cell in notebook.cells[-3:])
    assert "<details" in model["text/html"] and "<table" in history["text/html"]
    assert curves["image/png"]


@pytest.mark.compiled
@pytest.mark.filterwarnings("default")
def test_an_example_is_a_notebook(tmp_path):
    script = Path(CHECKOUT / "examples" / "inside_a_step.py").read_text()
    notebook = executed([OPTIONS, script], tmp_path)
    assert any("text" in output for output in notebook.cells[-1].outputs)


@pytest.mark.compiled
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("lesson", ["chapter/velocity", "chapter/symmetry", "reuse/pretraining"])
def test_a_lesson_is_a_notebook(lesson, tmp_path):
    """With the change that the site makes, without which its last cell ends in SystemExit."""
    pytest.importorskip("matplotlib")
    without_exit = runpy.run_path(str(CHECKOUT / "docs" / "notebooks.py"))["without_exit"]
    script = (CHECKOUT / "examples" / f"{lesson}.py").read_text()
    source = without_exit(script)
    assert "sys.exit(" in script and "sys.exit(" not in source
    notebook = executed(
        [FEW_EXAMPLES, 'import sys\n\nsys.argv = ["lesson", "--quick", "--seeds", "1"]', source], tmp_path
    )
    printed = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    assert "saved runs/reproduce/results.json" in printed and (tmp_path / "runs/reproduce/results.json").exists()
