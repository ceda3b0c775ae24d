"""The site: ``sphinx-build -W docs docs/_build``. Needs the extra ``docs``, and no network."""

import re
import shutil
from pathlib import Path

from minidnn import __version__

DOCS = Path(__file__).resolve().parent
CHECKOUT = DOCS.parent

project = "minidnn"
author = "the minidnn developers"
copyright = author
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "_examples"]
suppress_warnings = ["ref.python"]  # attributes that several classes have, such as mean
default_role = "code"  # single backticks in docstrings
highlight_language = "none"  # indented blocks are formulas

html_theme = "furo"
html_title = f"minidnn {version}"
html_show_copyright = False

myst_heading_anchors = 3

autodoc_member_order = "groupwise"
autodoc_typehints = "none"  # the docstrings say what is taken
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_use_ivar = True
napoleon_use_rtype = False

FOLDERS = {
    "": "Examples",
    "notebook": "The notebook's experiments",
    "chapter": "The chapter's exercises and claims",
    "reuse": "Reuse and pretraining",
    "deploy": "Small and fast models",
    "zoo": "The model zoo",
}


def gallery(made: Path) -> None:
    """Copies the examples for sphinx-gallery, which wants a heading in each and a header in each folder."""
    shutil.rmtree(made, ignore_errors=True)
    for folder, title in FOLDERS.items():
        (made / folder).mkdir(parents=True)
        (made / folder / "GALLERY_HEADER.rst").write_text(f"{title}\n{'=' * len(title)}\n")
        for script in sorted((CHECKOUT / "examples" / folder).glob("[!_]*.py")):
            if script.name == "common.py":
                continue
            name = script.stem.replace("_", " ").capitalize()
            code = script.read_text().replace('"""', f'"""\n{name}\n{"=" * len(name)}\n\n', 1)
            (made / folder / script.name).write_text(code)


gallery(DOCS / "_examples")
sphinx_gallery_conf = {
    "examples_dirs": str(DOCS / "_examples"),
    "gallery_dirs": "gallery",
    "plot_gallery": False,  # they train for minutes
    "filename_pattern": "/plot_",
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 1e9,
    "show_memory": False,
    "write_computation_times": False,
}


def links_out(app: object, page: str, source: list[str]) -> None:
    """Folders and notes of the checkout have no page: their names stay, without a link. Other files are downloads."""

    def told(match: re.Match[str]) -> str:
        text, target = match.groups()
        return match.group() if (DOCS / target).is_file() and not target.endswith(".md") else text

    source[0] = re.sub(r"(?<!!)\[([^\]]*)\]\((\.\./[^)#]*)\)", told, source[0])


def setup(app: object) -> None:
    app.connect("source-read", links_out)  # type: ignore[attr-defined]
