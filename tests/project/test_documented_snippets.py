"""Every Python and shell block of README.md and docs/*.md runs as printed (exceptions: `documented.py`)."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from kit.documented import FILES, PAGES, blocks

from minidnn import cli
from minidnn.nn.registering import REGISTERED

BLOCKS = [block for page in PAGES for block in blocks(page)]


def reason(block):
    """Why a block is not run here, or an empty text."""
    module = block.marks.get("needs")
    if module and importlib.util.find_spec(module) is None:
        return f"needs {module}"
    return block.marks.get("not run", "")


def run(block, namespace, folder):
    for name in block.marks.get("files", "").split():
        FILES[name](folder / name)
    if block.language == "python":
        # Padded, so that a traceback has the line of the page.
        code = "\n" * (block.line - 1) + block.runs_as
        exec(compile(code, str(block.page), "exec"), namespace)
        return
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + block.runs_as],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"{block}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
@pytest.mark.compiled
def test_the_blocks_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIDNN_ZOO", str(tmp_path / "zoo"))
    namespace, registered = {"__name__": "page"}, dict(REGISTERED)
    try:
        with mock.patch.dict(os.environ):
            for block in blocks(page):
                if not reason(block):
                    run(block, namespace, tmp_path)
    finally:
        REGISTERED.clear()
        REGISTERED.update(registered)


@pytest.mark.parametrize("block", [block for block in BLOCKS if reason(block)], ids=str)
def test_blocks_that_are_not_run_say_why(block):
    pytest.skip(reason(block))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "bash"], ids=str)
def test_every_command_has_the_options_that_are_printed(block):
    parser = cli.parser()
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["minidnn"]:
            end = next((i for i, word in enumerate(words) if word in (">", "|", "&&", ";")), None)
            assert parser.parse_args(words[1:end]).command == words[1]


def test_few_blocks_are_not_run():
    not_run = [block for block in BLOCKS if "not run" in block.marks]
    others = {block.page.name if "quoted" in block.marks["not run"] else str(block) for block in not_run}
    assert len(others) <= (len(BLOCKS) - len(not_run)) / 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_its_language(page):
    """Otherwise a block could be missed; blocks in ``text`` are not run."""
    opened = re.findall(r"^```(\w*)$", page.read_text(), re.M)[::2]
    assert set(opened) <= {"python", "bash", "cpp", "text"} or page.name == "index.md"


def test_a_value_that_is_not_in_the_block_is_an_error(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- run with: epochs=5 as epochs=1 -->\n```python\nepochs=4\n```\n")
    [block] = blocks(page)
    with pytest.raises(ValueError, match="names 'epochs=5'"):
        block.runs_as  # noqa: B018


def test_marks_lines_and_languages(tmp_path):
    page = tmp_path / "page.md"
    marks = "<!-- files: x.csv -->\n<!-- run with: 5 as 1; 7 as 2 -->\n"
    page.write_text(f"a\n\n{marks}```sh\necho 5 7\n```\n```cpp\n5\n```\n")
    [block] = blocks(page)
    assert (block.language, block.line, block.runs_as) == ("bash", 6, "echo 1 2\n")
    assert block.marks["files"] == "x.csv"
