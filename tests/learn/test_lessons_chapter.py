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


def equal_weights_stay_equal(studies):
    measured = studies["symmetry"].measured
    assert measured["distinct units of 100, He, biases 0"] == 100
    assert measured["distinct units of 100, all weights 0.03"] == 1
    assert measured["distinct units of 100, all weights 0"] == 1


def the_terminal_velocity_is_that_of_the_formula(studies):
    study = studies["velocity"]
    assert study.runs["measured"][0] == pytest.approx(list(study.x), rel=1e-3)


def momentum_near_1_passes_the_minimum_again_and_again(studies):
    passes = [value for name, value in studies["momentum"].measured.items() if "passes" in name]
    assert passes[-1] > 100
    steps = studies["momentum"].runs["rate 0.1, curvature 1"][0]
    assert steps[-1] >= 2000 > 10 * steps[1]


def nesterov_is_faster_on_every_bowl(studies):
    study = studies["nesterov-bowls"]
    assert (np.array(study.runs["Nesterov"]) < np.array(study.runs["momentum"])).all()


CHECKS = {
    "symmetry": equal_weights_stay_equal,
    "velocity": the_terminal_velocity_is_that_of_the_formula,
    "momentum": momentum_near_1_passes_the_minimum_again_and_again,
    "nesterov": nesterov_is_faster_on_every_bowl,
}
"""What a lesson shows, of its studies by name."""


@pytest.mark.parametrize("name", CHAPTER)
def test_a_lesson_runs_and_is_short(name, tmp_path):
    pytest.importorskip("matplotlib")
    assert main(["reproduce", name, "--quick", "--seeds", "1", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text())["experiments"]
    for study in found:
        assert (tmp_path / f"{study}.png").stat().st_size > 5_000
    studies = {study: Study.of(study, document) for study, document in found.items()}
    for study in studies.values():
        assert all(np.isfinite(run).all() for runs in study.runs.values() for run in runs)
    assert len((FOLDER / f"{name}.py").read_text().splitlines()) < 80
    if name in CHECKS:
        CHECKS[name](studies)


def test_every_check_belongs_to_a_lesson():
    assert set(CHECKS) <= set(CHAPTER)


def test_every_lesson_is_in_the_list():
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "common"} == set(CHAPTER)


def test_a_study_survives_json():
    study = Study("a", "A", "x", [1.0], {"m": [[2.0]]}, measure="steps", log=True)
    again = Study.of("a", json.loads(json.dumps(study.document())))
    assert again.measure == "steps" and again.log
