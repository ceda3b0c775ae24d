"""The site's reference has a page for each public module; `.ci/run` builds it with warnings as errors."""

import importlib
import json

from kit import CHECKOUT

PAGES = sorted(page.stem for page in (CHECKOUT / "docs" / "api").glob("minidnn*.rst"))


def test_every_page_is_of_a_module_and_in_the_index():
    index = (CHECKOUT / "docs" / "api" / "index.rst").read_text().split()
    for name in PAGES:
        importlib.import_module(name)
        assert name in index
        assert f"automodule:: {name}\n" in (CHECKOUT / "docs" / "api" / f"{name}.rst").read_text()


def test_every_module_whose_names_are_recorded_has_a_page():
    recorded = json.loads((CHECKOUT / "tests" / "kit" / "public_names.json").read_text())
    modules = {f"minidnn.{name}" for name, what in recorded.items() if what == "module" and "." not in name}
    modules |= {f"minidnn.{name.rpartition('.')[0]}" for name in recorded if "." in name}
    classes = {f"minidnn.{name}" for name, what in recorded.items() if what != "module"}
    assert modules - classes <= set(PAGES), modules - classes - set(PAGES)
