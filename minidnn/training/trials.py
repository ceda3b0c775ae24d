"""Pruning of unpromising trials by Optuna."""

from __future__ import annotations

from typing import Any

from minidnn.training.run import Run
from minidnn.training.watching import Mode, Watcher


class OptunaPruning(Watcher):
    """Reports a column of the history to an Optuna trial after each epoch, and stops the run if the pruner says so.

    The run stops after that epoch, as by `Run.stop`, with all files complete; then fit raises ``optuna.TrialPruned``,
    which ``study.optimize`` expects (Akiba et al. 2019). Optuna is in the extra ``tune``.

    Args:
        trial: the argument of the objective, from a study with one direction.
        monitor: a column of the history, such as "valid_loss", a metric, or a column that a callback adds.
        mode: the column should fall ("min") or rise ("max"), in agreement with the study's direction; "auto": by the
            metric or the column's name, else by the study.

    Raises:
        ImportError: Optuna is missing; names the extra.
        TypeError: trial is not an Optuna trial.
        ValueError: a study with several directions; in fit: the history lacks the column (the message lists the
            columns), or the column's direction contradicts the study's.
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
                f"OptunaPruning: {self.monitor} {name} as a model gets better, but the study's direction is "
                f"{'minimize' if self._study == 'min' else 'maximize'}, which would prune the better runs; "
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
    """The module optuna.

    Raises:
        ImportError: it is missing; names the extra.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError(f'{owner}: needs Optuna; install it with: pip install "minidnn[tune]"') from error
    return optuna
