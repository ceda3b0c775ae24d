"""The full state of a run in one ``.safetensors`` file; its header holds everything that is not an array."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.files import checksum, read_safetensors
from minidnn.random import Generator, default_generator
from minidnn.reference.types import Array
from minidnn.training.identity import describe, differences, generators, identity, is_allowed, named
from minidnn.training.run import Position, Run

VERSION = 2
PATTERN = "checkpoint-*.safetensors"
MOST_SHOWN = 5
"""Maximum number of differences in an error message."""

logger = logging.getLogger("minidnn")


class ResumeError(ValueError):
    """A checkpoint is damaged or from another run; the message names the file and the fault."""


def pack(run: Run, folder: Path) -> tuple[Path, bytes]:
    """The path of the checkpoint and its content: the state of the run."""
    from safetensors.numpy import save as to_bytes

    arrays, rest = _split(_gather(run))
    content = {"version": VERSION, "identity": _identity(run), "state": rest}
    text = json.dumps(content, sort_keys=True, default=methodcaller("item"))  # NumPy's numbers as Python's
    header = {"text": text, "sha256": checksum(text, arrays)}
    path = folder / f"checkpoint-{run.step:010d}.safetensors"
    return path, to_bytes(arrays, {"minidnn-run": json.dumps(header)})


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first; none if the folder does not exist."""
    return sorted(folder.glob(PATTERN))


def restore(run: Run, folder: str | os.PathLike[str], allowed: Sequence[str] = ()) -> Path | None:
    """Restores a run from the newest intact checkpoint; returns its path, or None if there is no checkpoint.

    Args:
        allowed: names of what may differ from the checkpoint; the run keeps its own values for these.

    Raises:
        ResumeError: all checkpoints are damaged; the newest intact one is from another run (the message names the
            differences); a name in allowed that neither run has.
        OSError: a file cannot be read.
    """
    newest = run.world.first(lambda: _newest(Path(folder)))
    if newest is None:
        return None
    path, text, arrays = newest
    try:
        _apply(run, path, text, arrays, allowed)
    except ResumeError:
        raise
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
    ) as error:  # intact, but not written by `pack`
        raise ResumeError(f"resume: {path} is no checkpoint of minidnn: {type(error).__name__}: {error}") from error
    return path


def _newest(folder: Path) -> tuple[Path, dict[str, Any], dict[str, Array]] | None:
    """The newest intact checkpoint and its content; None if there is no checkpoint."""
    faults = []
    for path in reversed(checkpoints(folder)):
        try:
            return path, *_read(path)
        except ResumeError as error:
            faults.append(str(error))
            logger.warning("%s", error)
    if faults:
        raise ResumeError(f"resume: no intact checkpoint in {folder}: {'; '.join(faults)}")
    return None


def _gather(run: Run) -> dict[str, Any]:
    state: dict[str, Any] = {f"model.{path}": value for path, value in run.model.state_dict().items()}
    state |= {f"optimizer.{key}": value for key, value in run.optimizer.state_dict().items()}
    for name, generator in _generators(run).items():
        state[f"generator.{name}"] = generator.get_state()
    for metric in run.metrics:
        state |= {f"metric.{metric.name}.{key}": value for key, value in metric.state_dict().items()}
    for name, callback in named(run.callbacks).items():
        state |= {f"callback.{name}.{key}": value for key, value in callback.state_dict().items()}
    state["frozen"] = _frozen(run)
    own = {"epoch": run.epoch, "step": run.step, "loss": run.loss, "stopping": run.stopping}
    return state | {"run": own, "position": asdict(run.position), "history": run.history.rows}


def _frozen(run: Run) -> list[str]:
    """The paths of all frozen layers (with a final dot) and parameters."""
    layers = [f"{path}." for path, module in run.model.named_modules() if module.frozen]
    return layers + [path for path, param in run.model.named_parameters() if not param.requires_grad]


def _freeze(run: Run, frozen: list[str]) -> None:
    for path, module in run.model.named_modules():
        module.frozen = f"{path}." in frozen
    for path, param in run.model.named_parameters():
        param.requires_grad = path not in frozen
        if path in frozen:
            param.grad = None


def _generators(run: Run) -> dict[str, Generator]:
    """The generators of the run and of its layers, by name."""
    return {"default": default_generator(), "order": run.rng} | generators(run.model)


def _identity(run: Run) -> dict[str, str]:
    if not run.identity:
        run.identity = identity(run)
    return run.identity


def _split(state: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays = {key: np.ascontiguousarray(value) for key, value in state.items() if isinstance(value, np.ndarray)}
    return arrays, {key: value for key, value in state.items() if key not in arrays}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    try:
        metadata, arrays = read_safetensors(path)
        header = json.loads(metadata["minidnn-run"])
        if checksum(header["text"], arrays) != header["sha256"]:
            raise ResumeError(f"resume: {path} is damaged: its checksum does not match")
        content: dict[str, Any] = json.loads(header["text"])
        version = content["version"]
    except ResumeError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ResumeError(f"resume: {path} is damaged: {type(error).__name__}: {error}") from error
    if version != VERSION:
        raise ResumeError(f"resume: {path} is of version {version!r}, this release of minidnn reads version {VERSION}")
    return content, arrays


def _apply(
    run: Run, path: Path, content: dict[str, Any], arrays: dict[str, Array], allowed: Sequence[str] = ()
) -> None:
    state = {**content["state"], **arrays}
    _check(content["identity"], state)
    changed = _compare(run, path, content["identity"], state, allowed)
    kept = {name: value for name, value in _generators(run).items() if not changed & {_seed_of(name, run)}}
    if missing := [name for name in kept if f"generator.{name}" not in state]:
        raise ResumeError(f"resume: {path} has no state of the generator {missing[0]}")
    try:
        run.model.load_state_dict(_under(state, "model."))
        run.optimizer.load_state_dict(_rates(run, _under(state, "optimizer."), changed))
    except ValueError as error:
        raise ResumeError(f"resume: {path} does not fit: {error}") from error
    _freeze(run, state.get("frozen", _frozen(run)))
    for name, generator in kept.items():
        generator.set_state(state[f"generator.{name}"])
    own_state = state["run"]
    run.epoch, run.step, run.loss = own_state["epoch"], own_state["step"], own_state["loss"]
    run.stopping = None if own_state["stopping"] == "interrupted" else own_state["stopping"]
    run.position = Position(**state["position"])
    run.history.rows = state["history"]
    for metric in run.metrics:
        if own := _under(state, f"metric.{metric.name}."):
            metric.load_state_dict(own)
    for name, callback in named(run.callbacks).items():
        if own := _under(state, f"callback.{name}."):  # a callback without state starts fresh
            callback.load_state_dict(run, own)


def _compare(run: Run, path: Path, before: dict[str, str], state: dict[str, Any], allowed: Sequence[str]) -> set[str]:
    """The names of all allowed differences.

    Raises:
        ResumeError: a difference that is not allowed, or a name in allowed that neither run has.
    """
    now = _identity(run)
    if unknown := [name for name in allowed if not any(is_allowed(own, [name]) for own in {**before, **now})]:
        known = ", ".join(
            name for name in now if name.count(".") <= 1 and name.split(".")[0] not in ("model", "callbacks")
        )
        raise ResumeError(f"resume: resume_with names {unknown[0]!r}, must be among {known}, model or callbacks")
    differs = differences(before, now)
    for place, group in enumerate(run.optimizer.groups):  # a callback may have lowered the rate
        if describe(group.lr) == describe(state.get(f"optimizer.lr.{place}")):
            differs.pop(f"lr.{place}" if place else "lr", None)
    if refused := [name for name in differs if not is_allowed(name, allowed)]:
        shown = "; ".join(differs[name] for name in refused[:MOST_SHOWN])
        more = f" and {len(refused) - MOST_SHOWN} more" if len(refused) > MOST_SHOWN else ""
        raise ResumeError(
            f"resume: {path} is from another run: {shown}{more}. Give the same values, or allow the difference with "
            f"resume_with={_shortest(refused)}, on the command line --resume-with {','.join(_shortest(refused))}"
        )
    if state["position"]["batches"] and (cut := differs.keys() & {"batch_size", "data"}):
        raise ResumeError(
            f"resume: {path} is in the middle of an epoch, where {min(cut)} must not change: {differs[min(cut)]}"
        )
    return set(differs)


def _shortest(names: list[str]) -> list[str]:
    """Names that cover these: more than three with the same first part are shortened to it."""
    firsts = [name.split(".")[0] for name in names]
    return list(dict.fromkeys(f if firsts.count(f) > 3 else n for f, n in zip(firsts, names, strict=True)))


def _seed_of(generator: str, run: Run) -> str:
    """The name of a generator's seed in the identity."""
    if generator == "order" and run.rng is not default_generator():
        return "rng"
    return "seed" if generator in ("default", "order") else f"model.{generator}"


def _rates(run: Run, state: dict[str, Any], changed: set[str]) -> dict[str, Any]:
    """The optimizer's state, with the current rates of the groups whose rate may differ."""
    for place, group in enumerate(run.optimizer.groups):
        if (f"lr.{place}" if place else "lr") in changed:
            state.pop(f"lr.{place}", None)
            if not callable(group.lr):
                state[f"lr.{place}"] = group.lr
    return state


def _check(before: dict[str, str], state: dict[str, Any]) -> None:
    """Raises TypeError, ValueError or KeyError for a state that `pack` cannot have written."""
    if not isinstance(before, dict) or not all(isinstance(value, str) for value in before.values()):
        raise TypeError(f"identity is {before!r}, must be texts by name")
    own, position = state["run"], state["position"]
    for name, value in (*own.items(), *position.items()):
        if name in ("epoch", "step", "batches", "seen") and (type(value) is not int or value < 0):
            raise TypeError(f"{name} is {value!r}, must be a count")
        if name in ("loss", "lr", "loss_sum", "seconds") and type(value) not in (int, float):
            raise TypeError(f"{name} is {value!r}, must be a number")
    if position["batches"]:
        Generator(0).set_state(position["order"])
        if not (position["seen"] and position["seconds"] >= 0):
            raise ValueError("position has batches, but no examples or a negative time")
    if not isinstance(own["stopping"], (str, type(None))):
        raise TypeError(f"stopping is {own['stopping']!r}, must be text")
    for name, kind in (("history", dict), ("frozen", str)):
        rows = state.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, kind) for row in rows):
            raise TypeError(f"{name} is {rows!r}, must be a list")


def _under(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
