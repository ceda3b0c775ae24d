"""Checkpoints of a run, from which `fit` resumes with the same bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from minidnn.checks import positive_integer
from minidnn.files import atomic_write, sweep
from minidnn.locks import in_use
from minidnn.nn.finite import not_finite
from minidnn.training import state
from minidnn.training.run import Callback, Run
from minidnn.training.watching import Mode, Watcher


class Checkpoint(Callback):
    """Saves the full state of a run: weights, slots, generators, callbacks, position, history.

    ``fit(..., resume=folder)`` resumes from the newest intact checkpoint, with the same bytes as an uninterrupted run.
    Each checkpoint is one ``.safetensors`` file with a checksum, written to a temporary file, flushed to disk and
    renamed. It is written after all other callbacks have handled the step. If a weight is not finite, nothing is
    written and a warning is logged; the older checkpoints stay. The folder is locked during the run.

    Args:
        folder: created if it is missing.
        every: steps between checkpoints; None: at the end of each epoch. A run that Ctrl-C or a callback stops writes
            one too.
        keep: number of checkpoints to keep, the newest; at least 1.
        overwrite: start a new run in a folder with checkpoints of an earlier run. They are deleted once the new run has
            written its first one.
        monitor: a column of the history, such as "valid_loss". When an epoch ends with the best value so far, the model
            is written to ``best``, as by `minidnn.save` (the weights alone if a layer cannot be described in a file).
        best: path of the best model; None: ``best.safetensors`` in the folder.
        mode: the column should fall ("min") or rise ("max"); "auto": by the metric or the column's name.

    Raises:
        TypeError, ValueError: every or keep is not an integer, or below 1; best without monitor; in fit: the history
            lacks the column (the message lists the columns).
        FileExistsError: at the start of fit: the folder holds checkpoints, and neither resume nor overwrite was given.
        InUseError: at the start of fit: another run, named in the message, uses the folder.
        OSError: a file cannot be written: the disk is full, the folder missing or read-only. The run ends, the older
            checkpoints stay, and the state is kept in memory for `retry`.
    """

    place = 2
    observer = True
    alone = True
    _best: _Best | None = None

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: int | None = None,
        keep: int = 2,
        overwrite: bool = False,
        *,
        monitor: str | None = None,
        best: str | os.PathLike[str] | None = None,
        mode: Mode = "auto",
    ) -> None:
        self.folder = Path(folder)
        self.every = None if every is None else positive_integer("Checkpoint", "every", every)
        self.keep = positive_integer("Checkpoint", "keep", keep)
        self.overwrite = overwrite
        self._unwritten: tuple[Path, bytes] | None = None
        self._earlier: list[Path] = []
        self._held = ExitStack()
        if monitor is None and best is not None:
            raise ValueError("Checkpoint: best needs monitor, the column that tells which model is best")
        if monitor is not None:
            self._best = _Best(monitor, mode, self.folder / "best.safetensors" if best is None else best)

    def on_fit_begin(self, run: Run) -> None:
        if self._best is not None:
            self._best.on_fit_begin(run)
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            held.enter_context(in_use(self.folder, "Checkpoint"))
            sweep(self.folder)
            self._earlier = [] if run.resumed else self._earlier_ones()
            self._held = held.pop_all()

    def on_fit_end(self, run: Run) -> None:
        self._held.close()

    def _earlier_ones(self) -> list[Path]:
        old = state.checkpoints(self.folder)
        if old and not self.overwrite:
            raise FileExistsError(
                f"Checkpoint: {self.folder} holds checkpoints of an earlier run, such as {old[-1].name}; go on with "
                "fit(resume=folder), choose another folder, or give overwrite=True"
            )
        if old:
            state.logger.warning(
                "Checkpoint: %s holds checkpoints of an earlier run; they are deleted when this run writes its first. "
                "To keep them, continue that run by fit(resume=folder)",
                self.folder,
            )
        return old

    def on_step_end(self, run: Run) -> None:
        if run.stopping or (self.every is not None and run.step % self.every == 0):
            self._write(run)

    def on_epoch_end(self, run: Run) -> None:
        if self._best is not None:
            self._best.on_epoch_end(run)
        if run.stopping or self.every is None:
            self._write(run)

    def state_dict(self) -> dict[str, Any]:
        return {} if self._best is None else self._best.state_dict()

    def load_state_dict(self, run: Run, state: Mapping[str, Any]) -> None:
        if self._best is not None:
            self._best.load_state_dict(run, state)

    def retry(self) -> None:
        """Writes the checkpoint that could not be written; creates the folder if it is missing.

        ``fit(..., resume=folder)`` then resumes from that step. Does nothing if no checkpoint is pending.

        Raises:
            OSError: the file still cannot be written.
        """
        if self._unwritten is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._flush(*self._unwritten)

    def _write(self, run: Run) -> None:
        if fault := not_finite(run.model):
            state.logger.warning("Checkpoint: step %d is not saved, %s", run.step, fault)
            return
        self._unwritten = state.pack(run, self.folder)
        self._flush(*self._unwritten)

    def _flush(self, path: Path, content: bytes) -> None:
        try:
            atomic_write(path, content)
        except OSError as error:
            raise OSError(
                error.errno,
                f"Checkpoint: cannot write, {error.strerror}; older checkpoints are as they were, and this one is kept "
                "in memory until retry() can write it",
                str(path),
            ) from error
        self._unwritten = None
        earlier, self._earlier = [old for old in self._earlier if old != path], []
        own = [old for old in state.checkpoints(self.folder) if old not in earlier]
        for old in earlier + own[: -self.keep]:
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                state.logger.warning("Checkpoint: cannot remove the old %s: %s", old, error.strerror)


class _Best(Watcher):
    """Writes the model each time the column reaches its best value so far."""

    owner = "Checkpoint"

    def __init__(self, monitor: str, mode: Mode, path: str | os.PathLike[str]) -> None:
        super().__init__(monitor, None, 1, 0.0, mode)
        self.path = Path(path)

    def on_check(self, run: Run, better: bool, waited: int) -> None:
        if not better:
            return
        from minidnn.models.registry import describe
        from minidnn.models.saving import save  # here: that package imports this one

        try:
            describe(run.model)
            described = True
        except ValueError:
            described = False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save(run.model, self.path, architecture=described)
