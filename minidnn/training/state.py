"""All that decides the future of a run, in one ``.safetensors`` file; its header holds what is not an array."""

from __future__ import annotations

import json
import logging
import os
import zlib
from dataclasses import asdict
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np

from minidnn.files import checksum
from minidnn.random import Generator, default_generator
from minidnn.reference.types import Array
from minidnn.training.run import Callback, Position, Run

VERSION = 2
PATTERN = "checkpoint-*.safetensors"

logger = logging.getLogger("minidnn")


class ResumeError(ValueError):
    """A checkpoint that is damaged, or of another run; the message names the file and the fault."""


def pack(run: Run, folder: Path) -> tuple[Path, bytes]:
    """The state of the run as the content of a file, and its path."""
    from safetensors.numpy import save as to_bytes

    arrays, rest = _split(_gather(run))
    content = {"version": VERSION, "data": _data_of(run), "state": rest}
    text = json.dumps(content, sort_keys=True, default=methodcaller("item"))  # NumPy's numbers as Python's
    header = {"text": text, "sha256": checksum(text, arrays)}
    path = folder / f"checkpoint-{run.step:010d}.safetensors"
    return path, to_bytes(arrays, {"minidnn-run": json.dumps(header)})


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first; none where there is no such folder."""
    return sorted(folder.glob(PATTERN))


def restore(run: Run, folder: str | os.PathLike[str]) -> Path | None:
    """Puts a run into the state of the newest checkpoint that is whole; None where there is none at all.

    Raises:
        ResumeError: all are damaged, or the newest is of another run (other data, batch size, layers, callbacks, rate,
            options, schedule, loss, ...), each named.
        OSError: a file cannot be read.
    """
    faults = []
    for path in reversed(checkpoints(Path(folder))):
        try:
            text, arrays = _read(path)
        except ResumeError as error:
            faults.append(str(error))
            logger.warning("%s", error)
            continue
        try:
            _apply(run, path, text, arrays)
        except ResumeError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:  # whole, but not by `pack`
            raise ResumeError(f"resume: {path} makes no sense: {type(error).__name__}: {error}") from error
        return path
    if faults:
        raise ResumeError(f"resume: no whole checkpoint in {folder}: {'; '.join(faults)}")
    return None


def _gather(run: Run) -> dict[str, Any]:
    state: dict[str, Any] = {f"model.{path}": value for path, value in run.model.state_dict().items()}
    state |= {f"optimizer.{key}": value for key, value in run.optimizer.state_dict().items()}
    for name, generator in _generators(run).items():
        state[f"generator.{name}"] = generator.get_state()
    for metric in run.metrics:
        state |= {f"metric.{metric.name}.{key}": value for key, value in metric.state_dict().items()}
    for i, callback in enumerate(_kept(run)):
        state[f"callback.{i}"] = type(callback).__name__
        state |= {f"callback.{i}.{key}": value for key, value in callback.state_dict().items()}
    state["frozen"] = _frozen(run)
    own = {"epoch": run.epoch, "step": run.step, "loss": run.loss, "stopping": run.stopping}
    return state | {"run": own, "position": asdict(run.position), "history": run.history.rows}


def _kept(run: Run) -> list[Callback]:
    """The callbacks whose state a checkpoint keeps."""
    return [callback for callback in run.callbacks if callback.is_kept]


def _frozen(run: Run) -> list[str]:
    """The paths of all layers and parameters that are frozen."""
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
    """Every generator that the run is known to draw from."""
    found = {"default": default_generator(), "order": run.rng}
    for path, module in run.model.named_modules():
        found |= {f"{path}.{name}": value for name, value in vars(module).items() if isinstance(value, Generator)}
    return found


def _data_of(run: Run) -> dict[str, Any]:
    """What tells that a run is another one."""
    if run.data_check is None:
        run.data_check = run.train.checksums()
    return {
        "examples": len(run.train),
        "batch_size": run.batch_size,
        "check": run.data_check,
        "weights": None if run.weights is None else zlib.crc32(run.weights.data),
        **run.arguments,
    }


def _split(state: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays = {key: np.ascontiguousarray(value) for key, value in state.items() if isinstance(value, np.ndarray)}
    return arrays, {key: value for key, value in state.items() if key not in arrays}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    from safetensors import SafetensorError, safe_open

    with open(path, "rb"):  # a file that cannot be read is told by Python's own errors
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["minidnn-run"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if checksum(header["text"], arrays) != header["sha256"]:
            raise ResumeError(f"resume: {path} is damaged: its checksum is another")
        content: dict[str, Any] = json.loads(header["text"])
        version = content["version"]
    except ResumeError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ResumeError(f"resume: {path} is damaged: {type(error).__name__}: {error}") from error
    if version != VERSION:
        raise ResumeError(f"resume: {path} is of version {version!r}, this minidnn reads {VERSION}")
    return content, arrays


def _apply(run: Run, path: Path, content: dict[str, Any], arrays: dict[str, Array]) -> None:
    before, now = content["data"], _data_of(run)
    if others := [name for name in {**before, **now} if before.get(name) != now.get(name)]:
        told = "; ".join(f"{name} was {before.get(name)}, is {now.get(name)}" for name in others)
        raise ResumeError(f"resume: {path} is of another run: {told}. Give the arguments of that run")
    state = {**content["state"], **arrays}
    _check(state)
    kinds = [state[key] for key in (f"callback.{i}" for i in range(len(state))) if key in state]
    if kinds != (own := [type(callback).__name__ for callback in _kept(run)]):
        raise ResumeError(f"resume: {path} is of a run with the callbacks {kinds}, this one has {own}")
    generators = _generators(run)
    if missing := [name for name in generators if f"generator.{name}" not in state]:
        raise ResumeError(f"resume: {path} knows no generator {missing[0]}")
    try:
        run.model.load_state_dict(_under(state, "model."))
        run.optimizer.load_state_dict(_under(state, "optimizer."))
    except ValueError as error:
        raise ResumeError(f"resume: {path} does not fit: {error}") from error
    _freeze(run, state.get("frozen", _frozen(run)))
    for name, generator in generators.items():
        generator.set_state(state[f"generator.{name}"])
    own_state = state["run"]
    run.epoch, run.step, run.loss = own_state["epoch"], own_state["step"], own_state["loss"]
    run.stopping = None if own_state["stopping"] == "interrupted" else own_state["stopping"]
    run.position = Position(**state["position"])
    run.history.rows = state["history"]
    for metric in run.metrics:
        metric.load_state_dict(_under(state, f"metric.{metric.name}."))
    for i, callback in enumerate(_kept(run)):
        callback.load_state_dict(run, _under(state, f"callback.{i}."))


def _check(state: dict[str, Any]) -> None:
    """Raises TypeError, ValueError or KeyError for what `_gather` never gives, before anything is changed."""
    own, position = state["run"], state["position"]
    for name, value in (*own.items(), *position.items()):
        if name in ("epoch", "step", "batches", "seen") and (type(value) is not int or value < 0):
            raise TypeError(f"{name} is {value!r}, must be a count")
        if name in ("loss", "lr", "loss_sum", "seconds") and type(value) not in (int, float):
            raise TypeError(f"{name} is {value!r}, must be a number")
    if position["batches"]:
        Generator(0).set_state(position["order"])
        if not (position["seen"] and position["seconds"] > 0):
            raise ValueError("batches were done, but no examples seen in no time")
    if not isinstance(own["stopping"], (str, type(None))):
        raise TypeError(f"stopping is {own['stopping']!r}, must be text")
    for name, kind in (("history", dict), ("frozen", str)):
        rows = state.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, kind) for row in rows):
            raise TypeError(f"{name} is {rows!r}, must be a list")


def _under(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
