"""Every minidnn name of docs/coming_from.md exists, and takes the arguments that are named with it."""

import inspect
import re

import pytest
from kit import CHECKOUT

import minidnn

PAGE = (CHECKOUT / "docs" / "coming_from.md").read_text()
CELLS = [cell for row in re.findall(r"^\| .* \|$", PAGE, re.M) for cell in row.split(" | ")[1:2] if cell != "minidnn"]
NAMES = [name for cell in CELLS for name in cell.split(", ")]


@pytest.mark.parametrize("name", list(dict.fromkeys(NAMES)))
def test_a_name_exists_with_its_argument(name):
    path, argument = re.fullmatch(r"`(?:minidnn\.)?([\w.]+)(?:\((\w+)=\))?`", name).groups()
    thing = minidnn
    for part in path.split("."):
        thing = getattr(thing, part)
    assert not argument or argument in inspect.signature(thing).parameters


def test_all_rows_are_read():
    assert len(CELLS) > 80 and len(set(NAMES)) > 120
