"""Runs that report to an Optuna study and are pruned."""

import re
import subprocess
import sys

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import data, nn, optim, training

optuna = pytest.importorskip("optuna", reason="the extra tune is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
TRAIN = data.ArrayDataset(X, (X[:, 0] > 0).astype(np.int64))


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


class Values(training.Callback):
    """Adds a column whose values are known."""

    def __init__(self, values):
        self.values = values

    def columns(self, run):
        return ["known"]

    def on_epoch_end(self, run):
        run.row["known"] = self.values[run.epoch - 1]


def fit(*callbacks, epochs=3):
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(3, 4, "relu"), nn.Dense(4, 2))
    optimizer = optim.SGD(model.parameters(), 0.1)
    return training.fit(
        model,
        TRAIN,
        valid=TRAIN,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=20,
        callbacks=callbacks,
        progress=False,
    )


def study(direction="minimize", pruner=None):
    return optuna.create_study(direction=direction, pruner=pruner or optuna.pruners.NopPruner())


def test_each_epoch_reports_the_column():
    trial = study().ask()
    history = fit(training.OptunaPruning(trial))
    reported = trial.study.trials[0].intermediate_values
    assert reported == dict(zip((1, 2, 3), history["valid_loss"], strict=True))


def test_any_column_can_be_watched():
    for monitor, direction in (("loss", "minimize"), ("valid_accuracy", "maximize"), ("lr", "maximize")):
        trial = study(direction).ask()
        history = fit(training.OptunaPruning(trial, monitor))
        assert list(trial.study.trials[0].intermediate_values.values()) == history[monitor]


def test_the_median_pruner_prunes_trials_worse_than_the_median():
    # The median of 1, 2, 3 at epoch 2 is 2: the trial with 2.5 there is pruned, the one with 1.5 is not.
    searched = study(pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1))
    columns = iter([[9, 1, 1], [9, 2, 2], [9, 3, 3], [9, 2.5, 0], [9, 1.5, 0]])
    ended = []

    def objective(trial):
        callbacks = [Values(next(columns)), training.OptunaPruning(trial, "known")]
        try:
            return fit(*callbacks)["known"][-1]
        except optuna.TrialPruned as error:
            ended.append((trial.number, str(error)))
            raise

    searched.optimize(objective, n_trials=5)
    assert [trial.state.name for trial in searched.trials] == ["COMPLETE"] * 3 + ["PRUNED", "COMPLETE"]
    assert ended == [(3, "pruned by Optuna at known 2.5 (epoch 2)")]
    assert searched.trials[3].last_step == 2


def test_other_callbacks_finish_their_work(tmp_path):
    pruner = optuna.pruners.ThresholdPruner(upper=0.5)
    log = training.CSVLogger(tmp_path / "log.csv")
    with pytest.raises(optuna.TrialPruned):
        fit(Values([1.0]), training.OptunaPruning(study(pruner=pruner).ask(), "known"), log)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


def test_an_unknown_column_is_refused_before_the_first_step():
    trial = study().ask()
    message = "OptunaPruning: monitor is 'valid_f1', must be one of epoch, step, lr, loss, accuracy, seconds"
    with pytest.raises(ValueError, match=message):
        fit(training.OptunaPruning(trial, "valid_f1"))
    assert trial.study.trials[0].intermediate_values == {}


def test_a_column_that_improves_against_the_direction_of_the_study_is_refused():
    with pytest.raises(ValueError, match=r"valid_accuracy rises .* use optuna.create_study\(direction='maximize'\)"):
        fit(training.OptunaPruning(study("minimize").ask(), "valid_accuracy"))
    with pytest.raises(ValueError, match=r"valid_loss falls .* use optuna.create_study\(direction='minimize'\)"):
        fit(training.OptunaPruning(study("maximize").ask()))
    with pytest.raises(ValueError, match=r"known rises"):
        fit(Values([1.0] * 3), training.OptunaPruning(study("minimize").ask(), "known", mode="max"))


def test_anything_but_a_trial_of_one_direction_is_refused():
    with pytest.raises(TypeError, match="OptunaPruning: trial is of type int, must be a trial of Optuna"):
        training.OptunaPruning(3)
    trial = optuna.create_study(directions=["minimize", "maximize"]).ask()
    with pytest.raises(ValueError, match="directions minimize, maximize"):
        training.OptunaPruning(trial)
    assert len(fit(training.OptunaPruning(optuna.trial.FixedTrial({"lr": 0.1})))) == 3


def test_without_optuna_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'pip install "minidnn\[tune\]"'):
        training.OptunaPruning(None)


def test_the_page_runs_as_printed(capsys):
    [block] = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs" / "tune.md").read_text(), flags=re.S)
    exec(block, {})
    assert "units" in capsys.readouterr().out


def test_the_lesson_lets_processes_share_a_study():
    lesson = CHECKOUT / "examples" / "search_together.py"
    done = subprocess.run([sys.executable, "-P", lesson, "2", "2"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 trials by 2 processes") and "best: 0." in done.stdout
