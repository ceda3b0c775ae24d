"""The site: ``sphinx-build -W docs docs/_build``. Needs the extra ``docs``, and no network."""

import re
import shutil
import sys
from pathlib import Path

from minidnn import __version__

DOCS = Path(__file__).resolve().parent
CHECKOUT = DOCS.parent
sys.path.insert(0, str(DOCS))
from notebooks import without_exit  # noqa: E402

project = "minidnn"
author = "the minidnn developers"
copyright = author
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "_examples"]
suppress_warnings = ["ref.python"]  # attributes of the same name in several classes, such as mean
default_role = "code"  # single backticks in docstrings
highlight_language = "none"  # indented blocks are formulas

html_theme = "furo"
html_title = f"minidnn {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False

myst_heading_anchors = 3

autodoc_inherit_docstrings = False
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
NAMES = {
    "beside_sklearn": "Beside scikit-learn",
    "best_mlp": "Best MLP",
    "elu": "ELU",
    "exploding": "Exploding gradients",
    "l1_manual": "l1 by hand",
    "l1_per_layer": "l1 by layer",
    "lr_schedule": "Learning rate schedule",
    "max_norm": "Max-norm",
    "rates": "Rates that fall",
    "zeros": "Three ways to zeros",
}
PICTURES = {
    "auxiliary": "reproduce-auxiliary-pairs",
    "inside_a_step": "program",
    "nesterov": "reproduce-nesterov-bowls",
}


def picture(example: str) -> str:
    """sphinx-gallery's comment that sets the thumbnail to the example's picture; empty if there is none."""
    for name in (PICTURES.get(example), f"reproduce-{example.replace('_', '-')}", f"reproduce-{example}", example):
        if (DOCS / "pictures" / f"{name}.png").is_file():
            return f"\n# sphinx_gallery_thumbnail_path = 'pictures/{name}.png'\n"
    return ""


def gallery(made: Path) -> None:
    """Copies the examples for sphinx-gallery, which needs a heading in each one and a header in each folder."""
    shutil.rmtree(made, ignore_errors=True)
    for folder, title in FOLDERS.items():
        (made / folder).mkdir(parents=True)
        line = ("-" if folder else "=") * len(title)  # folders are sections of the gallery's page
        (made / folder / "GALLERY_HEADER.rst").write_text(f"{title}\n{line}\n")
        for script in sorted((CHECKOUT / "examples" / folder).glob("[!_]*.py")):
            if script.name == "common.py":
                continue
            name = NAMES.get(script.stem) or script.stem.replace("_", " ").capitalize()
            _, text, code = script.read_text().split('"""', 2)
            text = re.sub(r"\n\n(?=    )", "\n\n.. code-block:: bash\n\n", text, count=1)
            heading = f"{name}\n{'=' * len(name)}"
            (made / folder / script.name).write_text(
                f'"""\n{heading}\n\n{text}"""{without_exit(code)}{picture(script.stem)}'
            )


gallery(DOCS / "_examples")
sphinx_gallery_conf = {
    "examples_dirs": str(DOCS / "_examples"),
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "default_thumb_file": str(DOCS / "pictures" / "curves.png"),
    "first_notebook_cell": "import sys\n\nsys.argv = sys.argv[:1]  # append options, as in a shell",
    "plot_gallery": False,  # they train for minutes
    "filename_pattern": "/plot_",
    "download_all_examples": False,
    "remove_config_comments": True,
    "min_reported_time": 1e9,
    "show_memory": False,
    "write_computation_times": False,
}


def links_out(app: object, page: str, source: list[str]) -> None:
    """Removes links to folders and notes of the checkout, which have no page. Other files are downloads."""

    def target_or_text(match: re.Match[str]) -> str:
        text, target = match.groups()
        return match.group() if (DOCS / target).is_file() and not target.endswith(".md") else text

    source[0] = re.sub(r"(?<!!)\[([^\]]*)\]\((\.\./[^)#]*)\)", target_or_text, source[0])


def attributes_one_by_one(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Splits ``a, b: text`` among the attributes into one entry for each name, as napoleon requires."""
    if "Attributes:" not in lines:
        return
    begin = lines.index("Attributes:") + 1
    end = next((i for i in range(begin, len(lines)) if lines[i] and not lines[i].startswith(" ")), len(lines))
    entries: list[list[str]] = []
    for line in lines[begin:end]:
        if re.match(r"    \w[\w, ]*:", line) or not entries:
            entries.append([line])
        else:
            entries[-1].append(line)
    apart = []
    for first, *more in entries:
        names, _, text = first.strip().partition(":")
        apart += [part for one in names.split(", ") for part in (f"    {one}:{text}", *more)]
    lines[begin:end] = apart


def setup(app: object) -> None:
    app.connect("autodoc-process-docstring", attributes_one_by_one, priority=100)  # type: ignore[attr-defined]
    app.connect("source-read", links_out)  # type: ignore[attr-defined]
