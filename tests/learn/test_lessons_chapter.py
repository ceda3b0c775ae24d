"""The lessons on the chapter, in their quick form."""

import json

import numpy as np
import pytest
from kit import CHECKOUT

from minidnn.cli import main
from minidnn.cli.reproduce import CHAPTER
from minidnn.study import Study

FOLDER = CHECKOUT / "examples" / "chapter"
pytest.importorskip("minidnn.lessons.chapter", reason="examples/chapter is installed as minidnn.lessons.chapter")


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Those of a lesson, run once."""
    pytest.importorskip("matplotlib")
    known = {}

    def of(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            assert main(["reproduce", name, "--quick", "--seeds", "1", "--output", str(folder)]) == 0
            found = json.loads((folder / "results.json").read_text())["experiments"]
            for study in found:
                assert (folder / f"{study}.png").stat().st_size > 5_000
            known[name] = {study: Study.of(study, document) for study, document in found.items()}
        return known[name]

    return of


@pytest.mark.parametrize("name", CHAPTER)
def test_a_lesson_runs_and_is_short(name, studies):
    for study in studies(name).values():
        assert all(np.isfinite(run).all() for runs in study.runs.values() for run in runs)
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) < 80


def test_every_lesson_is_in_the_list():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "common"} == set(CHAPTER)


def test_equal_weights_stay_equal(studies):
    measured = studies("symmetry")["symmetry"].measured
    assert measured["distinct units of 100, He, biases 0"] == 100
    assert measured["distinct units of 100, all weights 0.03"] == 1
    assert measured["distinct units of 100, all weights 0"] == 1


def test_the_terminal_velocity_is_that_of_the_formula(studies):
    study = studies("velocity")["velocity"]
    assert study.runs["measured"][0] == pytest.approx(list(study.x), rel=1e-3)


def test_momentum_near_1_passes_the_minimum_again_and_again(studies):
    passes = [value for name, value in studies("momentum")["momentum"].measured.items() if "passes" in name]
    assert passes[-1] > 100
    steps = studies("momentum")["momentum"].runs["rate 0.1, curvature 1"][0]
    assert steps[-1] >= 2000 > 10 * steps[1]


def test_nesterov_is_faster_on_every_bowl(studies):
    study = studies("nesterov")["nesterov-bowls"]
    assert (np.array(study.runs["Nesterov"]) < np.array(study.runs["momentum"])).all()


def test_a_study_keeps_what_it_measures():
    study = Study("a", "A", "x", [1.0], {"m": [[2.0]]}, measure="steps", log=True)
    again = Study.of("a", json.loads(json.dumps(study.document())))
    assert again.measure == "steps" and again.log
