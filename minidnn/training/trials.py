"""Pruning the trials of a search by Optuna."""

from __future__ import annotations

from typing import Any

from minidnn.training.run import Run
from minidnn.training.watching import Mode, Watcher


class OptunaPruning(Watcher):
    """Reports a column of the history to an Optuna trial after each epoch, and ends the run where the pruner wants.

    The run ends after that epoch as `Run.stop` ends it, with all files complete, and raises ``optuna.TrialPruned``,
    which ``study.optimize`` expects (Akiba et al. 2019). Optuna is the extra ``tune``.

    Args:
        trial: what the objective is given, of a study with one direction.
        monitor: a column of the history, such as "valid_loss", a metric's, or one that a callback adds.
        mode: whether the column shall fall ("min") or rise ("max"), as the study's direction must say too; "auto": as
            the metric or the name says, and where neither does, as the study.

    Raises:
        ImportError: Optuna is missing; names the extra.
        TypeError: trial is none of Optuna's.
        ValueError: a study of several directions; fit without the column, which lists those there are; a column that
            shall rise in a study that minimizes, or the other way round.
    """

    def __init__(self, trial: Any, monitor: str = "valid_loss", mode: Mode = "auto") -> None:
        optuna = optuna_for(self.owner)
        if not isinstance(trial, optuna.trial.BaseTrial):
            raise TypeError(f"OptunaPruning: trial is of type {type(trial).__name__}, must be a trial of Optuna")
        directions = [direction.name.lower() for direction in getattr(getattr(trial, "study", None), "directions", ())]
        if len(directions) > 1:
            raise ValueError(
                f"OptunaPruning: the study has the directions {', '.join(directions)}, must have one for Optuna to "
                "prune; leave the callback out"
            )
        super().__init__(monitor, every=None, patience=1, min_delta=0.0, mode=mode)
        self._trial, self._gave_up = trial, False
        self._study = {"minimize": "min", "maximize": "max"}.get(directions[0] if directions else "")

    def on_fit_begin(self, run: Run) -> None:
        self._gave_up = False
        super().on_fit_begin(run)

    def _direction(self, run: Run) -> str:
        says = self._said(run)
        if says is None:  # a FixedTrial belongs to no study, and never prunes
            return self._study or "min"
        if self._study is not None and says != self._study:
            name, remedy = ("falls", "minimize") if says == "min" else ("rises", "maximize")
            raise ValueError(
                f"OptunaPruning: {self.monitor} {name} as a model gets better, and the study wants to "
                f"{'minimize' if self._study == 'min' else 'maximize'} it: runs that are better would be pruned; "
                f"use optuna.create_study(direction='{remedy}')"
            )
        return says

    def on_check(self, run: Run, better: bool, waited: int) -> None:
        self._trial.report(float(run.row[self.monitor]), run.epoch)
        if self._trial.should_prune():
            self._gave_up = True
            run.stop(f"pruned by Optuna at {self.monitor} {run.row[self.monitor]:.6g} (epoch {run.epoch})")

    def on_fit_end(self, run: Run) -> None:
        if self._gave_up:
            self._gave_up = False
            raise optuna_for(self.owner).TrialPruned(run.stopping)


def optuna_for(owner: str) -> Any:
    """The module.

    Raises:
        ImportError: it is missing; names the extra.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError(f'{owner}: needs Optuna; install it with: pip install "minidnn[tune]"') from error
    return optuna
