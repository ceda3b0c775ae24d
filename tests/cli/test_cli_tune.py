"""``minidnn tune``: a study in a file, run by one process after another or by several at once."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidnn import plot
from minidnn.cli import building, main

DRAWN = plot._bytes
optuna = pytest.importorskip("optuna", reason="the extra tune is not installed")

pytestmark = pytest.mark.usefixtures("blank_pictures")
SMALL = ("--data", "digits", "--epochs", "2", "--sizes", "4,16", "--layers", "1,2", "--threads", "1")


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tune(*options):
    return main(["tune", *options])


def trials(study="runs/tune/study.db"):
    loaded = optuna.load_study(study_name="minidnn tune", storage=f"sqlite:///{study}")
    return [(trial.number, trial.state.name, trial.user_attrs.get("options"), trial.value) for trial in loaded.trials]


def test_the_command_it_prints_trains_the_best_network_again(in_folder, capsys):
    assert tune(*SMALL, "--trials", "3") == 0
    *rows, best, command = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in rows[:3]] == [["trial", str(i)] for i in range(3)]
    assert best.startswith("best of ") and "valid_accuracy" in best
    number, value = re.search(r"trial (\d), valid_accuracy ([\d.]+)", best).groups()
    assert trials()[int(number)][3] == pytest.approx(float(value), abs=1e-6)
    assert main([*shlex.split(command)[1:], "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["epochs"]
    assert len(rows) == 2 and rows[-1]["valid_accuracy"] == trials()[int(number)][3]


def test_a_continued_study_equals_an_uninterrupted_one():
    tune(*SMALL, "--trials", "4", "--study", "whole.db")
    for count in ("2", "4", "4"):
        tune(*SMALL, "--trials", count, "--study", "parts.db")
    assert trials("parts.db") == trials("whole.db") and len(trials("whole.db")) == 4


def test_two_processes_share_a_study():
    command = [sys.executable, "-P", "-m", "minidnn", "tune", *SMALL, "--trials", "6"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    found = trials()
    assert 6 <= len(found) <= 7 and all(state in ("COMPLETE", "PRUNED") for _, state, *_ in found)
    assert len({json.dumps(options) for _, _, options, _ in found}) == len(found)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--epochs", "3"), "--epochs is 3, was 2 in runs/tune/study.db; choose another --study"),
        (("--activation", "elu"), "--activation is elu, was relu"),
        (("--monitor", "valid_loss"), "--monitor is valid_loss, was valid_accuracy"),
        (("--data", "mnist"), "--data differs in content from that in"),
    ],
)
def test_trials_that_could_not_be_compared_are_refused(option, message, capsys):
    tune(*SMALL, "--trials", "1")
    before = trials()
    assert tune(*SMALL, *option) == 2
    assert message in capsys.readouterr().err and trials() == before
    assert tune(*SMALL, "--trials", "1", "--lr", "0.001,0.1", "--dropout", "0") == 0  # ranges may change


def test_regression_is_searched_by_the_loss(in_folder, capsys):
    x = np.random.default_rng(0).normal(size=(80, 2)).round(3)
    lines = [f"{a},{b},{2 * a - b + 0.25:.3f}" for a, b in x]
    (in_folder / "my table.csv").write_text("a,b,-y\n" + "\n".join(lines) + "\n")
    options = ("--data", "my table.csv", "--task", "regression", "--label=-y", "--trials", "2", "--epochs", "2")
    assert tune(*options, "--sizes", "8", "--layers", "1", "--dropout", "0", "--lr", "0.01,0.1") == 0
    *_, best, command = capsys.readouterr().out.splitlines()
    assert "valid_loss" in best and "--hidden 8" in command and "--dropout" not in command
    assert "--data 'my table.csv'" in command and "--label=-y" in command and "--task regression" in command
    assert main([*shlex.split(command)[1:], "--json"]) == 0
    values = [value for *_, value in trials()]
    assert json.loads(capsys.readouterr().out)["epochs"][-1]["valid_loss"] == min(values)


def test_runs_that_diverge_are_pruned(capsys):
    assert tune(*SMALL, "--trials", "2", "--lr", "1e30", "--optimizer", "sgd") == 0
    printed = capsys.readouterr().out
    assert printed.count("diverged") == 2 and "no trial was completed" in printed
    assert [state for _, state, *_ in trials()] == ["PRUNED", "PRUNED"]


def test_ctrl_c_keeps_finished_trials(monkeypatch, capsys):
    fit, calls = building.Prepared.fit, []

    def interrupted_at_the_second(*arguments, **options):
        calls.append(fit(*arguments, **options))
        calls[-1].stopped = "interrupted" if len(calls) == 2 else None
        return calls[-1]

    monkeypatch.setattr(building.Prepared, "fit", interrupted_at_the_second)
    assert tune(*SMALL, "--trials", "3") == 130
    assert "best of 1: trial 0" in capsys.readouterr().out
    assert tune(*SMALL, "--trials", "3") == 0
    assert [state for _, state, *_ in trials()] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lr", "0.1,0.01"), "must be LOW,HIGH or one number, got '0.1,0.01'"),
        (("--dropout", "0,1"), "must be a number in [0, 1), got '1'"),
        (("--sizes", "8,16,32"), "must be LOW,HIGH or one number"),
    ],
)
def test_invalid_ranges_are_refused(options, message, capsys):
    with pytest.raises(SystemExit):
        tune(*SMALL, *options)
    assert message in capsys.readouterr().err


def test_a_file_that_is_not_a_study_is_refused(in_folder, capsys):
    (in_folder / "folder").mkdir()
    (in_folder / "text.db").write_text("no database")
    for path, message in (
        ("folder", "--study is folder, a folder; must be a file, such as folder/study.db"),
        ("text.db", "--study is text.db, which is not an SQLite database"),
        ("a?b.db", "must have no '?' in its path"),
    ):
        assert tune(*SMALL, "--study", path) == 2
        assert message in capsys.readouterr().err
    assert sorted(os.listdir()) == ["folder", "text.db"]


def test_a_path_of_any_letters(in_folder):
    assert tune(*SMALL, "--trials", "1", "--study", "ö #%20{a}.db") == 0
    assert {Path(name).stem for name in os.listdir()} == {"ö #%20{a}"}


@pytest.mark.parametrize("column", ["lr", "valid_f1"])
def test_columns_that_the_history_lacks_are_refused(column, capsys):
    assert tune(*SMALL, "--monitor", column) == 2
    wanted = "must be one of loss, accuracy, valid_loss, valid_accuracy"
    assert f"--monitor is '{column}', {wanted}" in capsys.readouterr().err and not os.path.exists("runs")


def test_the_picture_of_the_study(in_folder, monkeypatch, capsys):
    monkeypatch.setattr(plot, "_bytes", DRAWN)
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    assert tune(*SMALL, "--trials", "2", "--study", "s.db") == 0
    assert "saved s.png" in capsys.readouterr().out
    assert (in_folder / "s.png").read_bytes().startswith(b"\x89PNG")


def test_without_optuna_one_line_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert tune(*SMALL) == 2
    assert 'pip install "minidnn[tune]"' in capsys.readouterr().err and not os.path.exists("runs")
