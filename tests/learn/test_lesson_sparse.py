"""The lesson on sparse models, in its quick form."""

import json

import pytest

from minidnn.cli import main


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("sparse")
    assert main(["reproduce", "sparse", "--seeds", "1", "--quick", "--output", str(folder)]) == 0
    assert (folder / "sparse.png").stat().st_size > 10_000
    return json.loads((folder / "results.json").read_text())["experiments"]["sparse"]


def test_pruning_with_retraining_is_better_than_zeroing(study):
    medians = {name: method["median"] for name, method in study["methods"].items()}
    at = study["x"].index(0.1)
    trained, pruned = medians["trained, then zeroed"], medians["pruned gradually"]
    assert trained[0] == pruned[0] > 0.85
    assert pruned[at] > trained[0] - 0.02 and pruned[at] > trained[at] and pruned[-1] > trained[-1] + 0.05
    assert medians["strong l1, then zeroed"][at] > trained[at]


def test_the_models_have_the_stated_density(study):
    rows = [line.replace(",", "").split()[-5:] for line in study["notes"][1:]]
    densities, _, sizes, *_ = zip(*(map(float, row) for row in rows), strict=True)
    assert densities[0] == 1 and all(0 < density <= 0.1 for density in densities[1:])  # FTRL may leave fewer
    assert max(sizes[1:]) < sizes[0] / 4
