"""Several processes on one Optuna study: each proposes, trains and prunes; they share only the study's file.

Usage: python examples/search_together.py [processes] [trials of each]

The study is a journal, a file to which each process appends. A killed process loses its own trial and no other.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import minidnn
from minidnn import data, nn, optim, training


def objective(trial):
    digits = data.load_digits_sample()
    minidnn.manual_seed(0)  # the same initial weights and orders in all trials: only the options differ
    units = trial.suggest_int("units", 8, 64, log=True)
    activation = trial.suggest_categorical("activation", ["relu", "elu"])
    model = nn.Sequential(nn.Dense(64, units, activation), nn.Dense(units, 10))
    history = training.fit(
        model,
        digits.train,
        valid=digits.valid,
        optimizer=optim.Adam(model.parameters(), trial.suggest_float("lr", 1e-4, 1e-1, log=True)),
        epochs=5,
        batch_size=32,
        callbacks=[training.OptunaPruning(trial, "valid_accuracy")],
        progress=False,
    )
    return history["valid_accuracy"][-1]


def study(path, seed=None):
    """The study in a file; each process proposes with its own seed."""
    return optuna.create_study(
        study_name="digits",
        storage=JournalStorage(JournalFileBackend(str(path))),
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )


def together(path, processes, trials):
    """Runs the trials in several processes, and returns the study."""
    study(path)  # created once, before the processes start
    command = [sys.executable, __file__, "--worker", str(path), str(trials)]
    workers = [subprocess.Popen([*command, str(seed)]) for seed in range(processes)]
    for worker in workers:
        if worker.wait():
            raise SystemExit(f"a worker ended with exit code {worker.returncode}")
    return study(path)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if sys.argv[1:2] == ["--worker"]:
        minidnn.set_num_threads(1)  # the processes share the machine's cores
        _, _, file, count, own_seed = sys.argv
        study(file, int(own_seed)).optimize(objective, n_trials=int(count))
    else:
        given = [int(text) for text in sys.argv[1:3]]
        number, each = given + [2, 10][len(given) :]
        found = together(Path(tempfile.mkdtemp()) / "study.log", number, each)
        pruned = sum(trial.state.name == "PRUNED" for trial in found.trials)
        print(f"{len(found.trials)} trials by {number} processes, {pruned} of them pruned")
        print(f"best: {found.best_value:.4f} with {found.best_params}")
