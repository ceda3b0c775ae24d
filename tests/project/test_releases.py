"""The places that a release changes agree (docs/releases.md)."""

import re

from kit import CHECKOUT

import minidnn


def found(path, pattern):
    return re.search(pattern, (CHECKOUT / path).read_text(), re.M)[1]


def test_one_version_everywhere():
    assert found("CITATION.cff", r"^version: (.*)$") == minidnn.__version__
    assert found("tools/conda/recipe.yaml", r'version: "(.*)"$') == minidnn.__version__
    assert found("CHANGELOG.md", r"^## \[(.*?)\]") == minidnn.__version__


def test_conda_and_pip_require_the_same():
    wanted = re.findall(r'"([\w-]+)>=([\d.]+)"', found("pyproject.toml", r"^dependencies = (.*)$"))
    recipe = (CHECKOUT / "tools" / "conda" / "recipe.yaml").read_text()
    assert wanted and all(f"    - {name} >={version}\n" in recipe for name, version in wanted)
