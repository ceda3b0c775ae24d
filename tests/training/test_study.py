"""The measurements of a lesson, and how they are shown."""

import json
import sys
import types

import pytest

from minidnn import training
from minidnn.cli import main
from minidnn.study import Study, uninterrupted

STUDY = Study(
    "example",
    "An example",
    "labels",
    [10, 100],
    {"scratch": [[0.5, 0.8], [0.6, 0.9], [0.4, 0.85]], "reused": [[0.7, 0.81], [0.65, 0.92], [0.75, 0.8]]},
    measured={"ms per step": 1.25},
    notes=["a note"],
)


def test_the_gain_is_that_within_a_seed():
    assert STUDY.baseline == "scratch"
    assert STUDY.gains("reused")[0] == pytest.approx([0.2, 0.05, 0.35])
    assert STUDY.gains("scratch") == [[0, 0, 0], [0, 0, 0]]


def test_the_report_has_medians_ranges_and_gains():
    title, head, *rows, measured, note = STUDY.report().splitlines()
    assert title == "An example, 3 seeds" and head.split()[:2] == ["labels", "method"]
    assert rows[0].split() == ["10", "scratch", "0.5000", "0.4000", "0.6000"]
    assert rows[1].split() == ["reused", "0.7000", "0.6500", "0.7500", "+0.2000", "+0.0500", "+0.3500"]
    assert rows[3].split()[-3:] == ["+0.0100", "-0.0500", "+0.0200"]
    assert measured == "ms per step: 1.25" and note == "a note"


def test_the_document_is_json():
    document = json.loads(json.dumps(STUDY.document()))
    assert document["x"] == [10, 100] and document["baseline"] == "scratch"
    assert document["methods"]["reused"]["median_gain"] == pytest.approx([0.2, 0.01])
    assert document["methods"]["scratch"]["runs"][1] == [0.6, 0.9]


def test_a_study_comes_back_from_its_document():
    study = Study("s", "title", "x", [1, 2], {"a": [[0.1, 0.2]], "b": [[0.3, 0.4]]}, {"ms": 2.0}, ["note"], bottom=0.5)
    assert Study.of("s", json.loads(json.dumps(study.document()))) == study


@pytest.mark.parametrize("x", [[10, 100], [0, 1]])  # a logarithmic axis, and a plain one
@pytest.mark.parametrize("bottom", [None, 0.5])
def test_it_can_be_drawn(tmp_path, x, bottom):
    pytest.importorskip("matplotlib")
    Study("s", "S", "x", x, STUDY.runs, bottom=bottom).draw(tmp_path / "s.svg")
    picture = (tmp_path / "s.svg").read_text()
    assert picture.count("<path") > 10 and "<svg" in picture


@pytest.mark.parametrize("runs", [{}, {"a": []}, {"a": [[1.0]]}, {"a": [[1.0, 1.0]], "b": [[1.0, 1.0], [1.0, 1.0]]}])
def test_runs_that_do_not_fit_are_refused(runs):
    with pytest.raises(ValueError, match="Study: "):
        Study("s", "S", "x", [1, 2], runs)


def test_an_interrupted_run_ends_the_lesson():
    history = training.History()
    assert uninterrupted(history) is history
    history.stopped = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(history)


@pytest.fixture
def lesson(monkeypatch):
    """A lesson named transfer that records its arguments."""
    asked = []
    module = types.ModuleType("minidnn.lessons.reuse.transfer")
    module.run = lambda seeds, quick, progress: asked.append((list(seeds), quick)) or STUDY
    monkeypatch.setitem(sys.modules, "minidnn.lessons.reuse.transfer", module)
    return asked


def test_reproduce_runs_a_lesson(lesson, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["reproduce", "transfer", "--seeds", "3", "--quick", "--output", str(tmp_path)]) == 0
    assert lesson == [([0, 1, 2], True)]
    assert STUDY.report() in capsys.readouterr().out
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["experiments"] == {"example": STUDY.document()}
    assert (tmp_path / "example.png").stat().st_size > 10_000


def test_a_lesson_may_be_several_studies(lesson, monkeypatch, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    other = Study("other", "Another", "labels", [10, 100], STUDY.runs)
    monkeypatch.setattr(sys.modules["minidnn.lessons.reuse.transfer"], "run", lambda *_, **__: iter([STUDY, other]))
    assert main(["reproduce", "transfer", "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert STUDY.report() in shown and other.report() in shown
    results = json.loads((tmp_path / "results.json").read_text())
    assert list(results["experiments"]) == ["example", "other"]
    assert {path.name for path in tmp_path.glob("*.png")} == {"example.png", "other.png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transfer", "--epochs", "1"], "--epochs is for the notebook's experiments; transfer has --quick"),
        (["dropout", "--quick"], "--quick is for the lessons; dropout has --epochs"),
        (["trnsfer"], "NAME is 'trnsfer', must be one of lr-schedule"),
    ],
)
def test_options_of_the_other_kind_are_refused(lesson, capsys, arguments, message):
    assert main(["reproduce", *arguments]) == 2
    assert message in capsys.readouterr().err and not lesson


def test_a_lesson_that_is_interrupted_gives_130(lesson, monkeypatch, tmp_path):
    def run(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["minidnn.lessons.reuse.transfer"], "run", run)
    assert main(["reproduce", "transfer", "--output", str(tmp_path)]) == 130
