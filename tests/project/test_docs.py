"""Code quoted in docs/*.md equals the source."""

import re
import runpy
from pathlib import Path

import pytest
from kit import CHECKOUT

from minidnn import data, reference
from minidnn.optimizers import KERNELS

UPDATE_RULES = [(CHECKOUT / "docs" / page).read_text() for page in ("update_rules.md", "update_rules_adam.md")]
SOURCES = {
    "python": Path(reference.optim.__file__).read_text(),
    "cpp": (CHECKOUT / "csrc" / "kernels" / "optim.hpp").read_text(),
}
EXCERPTS = [found for page in UPDATE_RULES for found in re.findall(r"```(python|cpp)\n(.*?)```", page, re.DOTALL)]


def stripped(text):
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize(("language", "excerpt"), EXCERPTS)
def test_update_rules_quote_the_source(language, excerpt):
    assert stripped(excerpt) in stripped(SOURCES[language])


def test_update_rules_quote_every_update():
    quoted = [stripped(excerpt) for language, excerpt in EXCERPTS if language == "cpp"]
    updates = re.findall(r"struct (\w+) \{\n  float(?:(?!\n\};).)*float& param.*?\n\};", SOURCES["cpp"], re.DOTALL)
    assert len(updates) == len(KERNELS)
    for name in updates:
        body = stripped(SOURCES["cpp"].split(f"struct {name} {{")[1].split("\n};")[0])
        assert any(excerpt in body for excerpt in quoted), name


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (CHECKOUT / "docs" / page).read_text(), flags=re.S)


@pytest.mark.compiled
def test_program_md_shows_the_program():
    namespace = runpy.run_path(str(CHECKOUT / "examples" / "inside_a_step.py"))
    batch = next(iter(data.batches(data.load_mnist().train[:50], 50)))
    program = f"<!-- program -->\n```text\n{namespace['notebook_step'](batch)}\n```"
    assert program in (CHECKOUT / "docs/program.md").read_text()


@pytest.mark.compiled
def test_program_md_runs_as_printed(capsys):
    for block in blocks("program.md", "python"):
        exec(block, {})
    printed = capsys.readouterr().out
    assert "clip_factor" in printed and "GFLOP/s" in printed
