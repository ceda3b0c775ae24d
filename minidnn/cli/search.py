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
"""Trials that come to their end before one is compared with them."""

FREE = ("trials", "study", "threads", "run", "command", "given", "lr", "layers", "sizes", "dropout")
"""What may differ from process to process of one study: its trials can still be compared."""
FILES = ("data", "valid", "labels", "valid_labels")
"""What is told by its content."""


class Sampler(BaseSampler):  # type: ignore[misc]
    """The tree-structured Parzen estimator of Bergstra et al. (2011), seeded by the number of the trial.

    A proposal follows from the seed, the number, and the trials that are there. So a study that goes on in another
    process is the study of one process, and processes that begin at the same time do not draw the same.
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
    """The study in its file, which is made where there is none.

    Raises:
        ValueError: the path is that of something else; the study was begun with other data or options; the history
            has no such column.
        OSError: the file cannot be made.
    """
    columns = building.columns(arguments, parts)
    if arguments.monitor not in columns:
        raise ValueError(f"--monitor is {arguments.monitor!r}, must be one of {', '.join(columns)}")
    _check_file(arguments.study)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    arguments.study.parent.mkdir(parents=True, exist_ok=True)
    with locked(arguments.study.with_suffix(".lock")):  # two processes may make the same file
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
            differs = "has other content than" if name == "data" else f"is {wanted[name]}, must be {begun.get(name)} as"
            option, file = f"--{name.replace('_', '-')}", shown(arguments.study)
            raise ValueError(f"{option} {differs} in the trials of {file}; choose another --study")
    return study


def _url(path: Path) -> str:
    """A file's address as Optuna takes it, which replaces what stands in braces."""
    url = URL.create("sqlite", database=str(path.resolve())).render_as_string()
    return url.replace("{", "{{").replace("}", "}}")


def _check_file(path: Path) -> None:
    """Raises a ValueError for what cannot be the file of a study."""
    if "?" in str(path.resolve()):
        raise ValueError(f"--study is {shown(path)}, must have no '?' in its path, where options of SQLite begin")
    if path.is_dir():
        raise ValueError(f"--study is {shown(path)}, a folder; must be a file, as {shown(path / 'study.db')}")
    if path.exists():
        with open(path, "rb") as file:
            if file.read(16) not in (b"", b"SQLite format 3\0"):
                raise ValueError(f"--study is {shown(path)}, which is no SQLite database; choose another file")


def configuration(arguments: argparse.Namespace, parts: Parts) -> dict[str, Any]:
    """What all trials of a study have in common, as texts; the data by their checksums."""
    told = {name: str(value) for name, value in vars(arguments).items() if name not in (*FREE, *FILES)}
    return told | {"data": str([*parts.train.checksums(), *parts.valid.checksums()])}


def search(study: Any, arguments: argparse.Namespace, parts: Parts) -> None:
    """Trains networks until the study has as many trials as asked for, and prints a line for each.

    Raises:
        ValueError: an option that has no meaning for the others.
        KeyboardInterrupt: Ctrl-C; the study has what was finished.
    """

    def objective(trial: Any) -> float:
        chosen = suggested(trial, arguments)
        trial.set_user_attr("options", chosen)
        manual_seed(arguments.seed)
        asked = argparse.Namespace(**vars(arguments) | chosen)
        prepared = building.prepared(asked, parts)
        try:
            history = prepared.fit(asked, parts, OptunaPruning(trial, arguments.monitor), progress=False)
        except training.NonFiniteError as error:
            trial.set_user_attr("diverged", str(error))
            raise optuna.TrialPruned(str(error)) from error
        return float(uninterrupted(history)[arguments.monitor][-1])

    def told(study: Any, trial: Any) -> None:
        print(trials.line(trial, arguments.monitor), flush=True)
        if enough():
            study.stop()

    def enough() -> bool:
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        return len(study.get_trials(deepcopy=False, states=states)) >= arguments.trials

    if not enough():
        study.optimize(objective, callbacks=[told])


def suggested(trial: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the study proposes, rounded to what a command can be typed with."""
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
    """The number of the text, where it lies in the interval."""
    return rounded if interval[0] <= (rounded := float(text)) <= interval[1] else value
