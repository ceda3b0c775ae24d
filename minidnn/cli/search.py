"""The search of ``minidnn tune``, by Optuna (the extra ``tune``)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState
from sqlalchemy.engine import URL

from minidnn import manual_seed, training
from minidnn.cli import building, trials
from minidnn.cli.datasets import Parts
from minidnn.cli.terminal import shown
from minidnn.locks import locked
from minidnn.study import uninterrupted
from minidnn.training.trials import OptunaPruning
from minidnn.training.watching import direction_of

NAME = "minidnn tune"
STARTUP = 5
"""Trials that must complete before any is pruned."""

FREE = ("trials", "study", "threads", "run", "command", "given", "lr", "layers", "sizes", "dropout")
"""Arguments that may differ between the processes of one study; its trials stay comparable."""
FILES = ("data", "valid", "labels", "valid_labels")
"""Arguments that are compared by the content of their files."""


class Sampler(BaseSampler):  # type: ignore[misc]
    """The tree-structured Parzen estimator of Bergstra et al. (2011), seeded by the number of the trial.

    A proposal depends only on the seed, the trial's number and the earlier trials. So a study gives the same trials
    when another process continues it, and processes that start at the same time draw different ones.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _of(self, trial: Any) -> Any:
        return TPESampler(seed=(self._seed * 1_000_003 + trial.number) % 2**32)

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        self._sampler = self._of(trial)
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        self._sampler.after_trial(study, trial, state, values)


def opened(arguments: argparse.Namespace, parts: Parts) -> Any:
    """Opens the study in its file, or creates it.

    Raises:
        ValueError: the file is not a study; the study was started with other data or options; the history has no
            column ``--monitor``.
        OSError: the file cannot be created.
    """
    columns = building.columns(arguments, parts)
    if arguments.monitor not in columns:
        raise ValueError(f"--monitor is {arguments.monitor!r}, must be one of {', '.join(columns)}")
    _check_file(arguments.study)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    arguments.study.parent.mkdir(parents=True, exist_ok=True)
    with locked(arguments.study.with_suffix(".lock")):  # two processes may create the same file
        study = optuna.create_study(
            storage=_url(arguments.study),
            study_name=NAME,
            direction="minimize" if direction_of(arguments.monitor) == "min" else "maximize",
            load_if_exists=True,
            sampler=Sampler(arguments.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1 + arguments.epochs // 5),
        )
        wanted = configuration(arguments, parts)
        begun = study.user_attrs.get("configuration")
        if begun is None:
            study.set_user_attr("configuration", wanted)
    for name in wanted if begun else ():
        if begun.get(name) != wanted[name]:
            differs = "differs in content from" if name == "data" else f"is {wanted[name]}, was {begun.get(name)}"
            option, file = f"--{name.replace('_', '-')}", shown(arguments.study)
            where = f"that in {file}" if name == "data" else f"in {file}"
            raise ValueError(f"{option} {differs} {where}; choose another --study")
    return study


def _url(path: Path) -> str:
    """The SQLite URL of a file for Optuna, with braces doubled, since Optuna formats it."""
    url = URL.create("sqlite", database=str(path.resolve())).render_as_string()
    return url.replace("{", "{{").replace("}", "}}")


def _check_file(path: Path) -> None:
    """Raises a ValueError for a path that cannot be a study's file."""
    if "?" in str(path.resolve()):
        raise ValueError(f"--study is {shown(path)}, must have no '?' in its path, which starts SQLite's options")
    if path.is_dir():
        raise ValueError(f"--study is {shown(path)}, a folder; must be a file, such as {shown(path / 'study.db')}")
    if path.exists():
        with open(path, "rb") as file:
            if file.read(16) not in (b"", b"SQLite format 3\0"):
                raise ValueError(f"--study is {shown(path)}, which is not an SQLite database; choose another file")


def configuration(arguments: argparse.Namespace, parts: Parts) -> dict[str, Any]:
    """The options that all trials of a study share, as strings; data are represented by their checksums."""
    settings = {name: str(value) for name, value in vars(arguments).items() if name not in (*FREE, *FILES)}
    return settings | {"data": str([*parts.train.checksums(), *parts.valid.checksums()])}


def search(study: Any, arguments: argparse.Namespace, parts: Parts) -> None:
    """Trains networks until the study has ``--trials`` trials, and prints a line for each.

    Raises:
        ValueError: options that exclude each other.
        KeyboardInterrupt: Ctrl-C was pressed; the study keeps the finished trials.
    """

    def objective(trial: Any) -> float:
        chosen = suggested(trial, arguments)
        trial.set_user_attr("options", chosen)
        manual_seed(arguments.seed)
        options = argparse.Namespace(**vars(arguments) | chosen)
        prepared = building.prepared(options, parts)
        try:
            history = prepared.fit(options, parts, OptunaPruning(trial, arguments.monitor), progress=False)
        except training.NonFiniteError as error:
            trial.set_user_attr("diverged", str(error))
            raise optuna.TrialPruned(str(error)) from error
        return float(uninterrupted(history)[arguments.monitor][-1])

    def announce(study: Any, trial: Any) -> None:
        print(trials.line(trial, arguments.monitor), flush=True)
        if enough():
            study.stop()

    def enough() -> bool:
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        return len(study.get_trials(deepcopy=False, states=states)) >= arguments.trials

    if not enough():
        study.optimize(objective, callbacks=[announce])


def suggested(trial: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that the study proposes, rounded so that they can be typed in a command."""
    rate = trial.suggest_float("lr", *arguments.lr, log=True)
    hidden = [
        trial.suggest_int(f"size{i}", *arguments.sizes, log=True)
        for i in range(1, 1 + trial.suggest_int("layers", *arguments.layers))
    ]
    dropout = trial.suggest_float("dropout", *arguments.dropout)
    return {
        "lr": _rounded(rate, f"{rate:.3g}", arguments.lr),
        "hidden": hidden,
        "dropout": _rounded(dropout, f"{dropout:.2f}", arguments.dropout),
    }


def _rounded(value: float, text: str, interval: list[float]) -> float:
    """The rounded number if it lies in the interval, else the value."""
    return rounded if interval[0] <= (rounded := float(text)) <= interval[1] else value
