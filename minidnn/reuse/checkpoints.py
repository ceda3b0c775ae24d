"""A model in one file: a ``.safetensors`` file whose header holds the architecture."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np

from minidnn.data import Meaning, MeaningError
from minidnn.files import atomic_write, checksum
from minidnn.nn import Module
from minidnn.nn.initializers import deferred
from minidnn.reference.types import Array
from minidnn.reuse.registry import LAYERS, UnknownPartError, build, describe

VERSION = 1

M = TypeVar("M", bound=Module)


class CheckpointError(ValueError):
    """A file that does not hold what it should; the message names the file and the fault."""


def save(
    model: Module, path: str | os.PathLike[str], architecture: bool = True, meaning: Meaning | None = None
) -> None:
    """Writes parameters and buffers, named by path (``hidden1.kernel``), the architecture and a checksum, to one file.

    A ``.safetensors`` file, which other libraries read too. The write is atomic: the old file stays until the new one
    is whole.

    Args:
        architecture: False writes the weights alone, which any model can be asked for.
        meaning: what inputs and outputs stand for, ``train.meaning``: with it `read_meaning` and ``minidnn predict``
            know classes, columns and units.

    Raises:
        ValueError: a layer that is not minidnn's own, so that no file can describe it.
        OSError: the file cannot be written; what was there before is still there.
    """
    atomic_write(path, to_bytes(model, architecture, meaning))


def to_bytes(model: Module, architecture: bool = True, meaning: Meaning | None = None) -> bytes:
    """What `save` writes.

    Raises:
        ValueError: a layer that is not minidnn's own.
    """
    from safetensors.numpy import save as serialize

    # One entry, since safetensors writes several in random order, and the same model shall give the same bytes.
    header = {"version": VERSION, "architecture": describe(model) if architecture else None}
    if meaning is not None:
        header["meaning"] = meaning.to_json()
    tensors = {name: np.ascontiguousarray(array) for name, array in model.state_dict().items()}
    header["sha256"] = checksum(json.dumps(header, sort_keys=True), tensors)
    return serialize(tensors, {"minidnn": json.dumps(header, sort_keys=True)})


@overload
def load(path: str | os.PathLike[str]) -> Module: ...
@overload
def load(path: str | os.PathLike[str], into: M) -> M: ...
def load(path: str | os.PathLike[str], into: Module | None = None) -> Module:
    """The model of a file that `save` wrote, in evaluation mode; or the weights of any such file, put into a model.

    A model is built from a closed list of layer names; no file can name other code, nor make the program allocate more
    than it really holds.

    Args:
        into: takes the weights (and keeps its mode); names and shapes must all match.

    Returns:
        The model, or ``into``.

    Raises:
        CheckpointError: the file is damaged (it holds a checksum), has no architecture that minidnn knows, or does not
            fit.
        OSError: the file cannot be read.
    """
    path = Path(path)
    metadata, tensors = _read(path)
    header = _header(path, metadata)
    _verify(path, header, tensors)
    if into is not None:
        _put(path, tensors, into)
        return into
    architecture = header.get("architecture")
    if architecture is None:
        raise CheckpointError(f"load: {path} holds weights alone: load(path, into=model) puts them into a model")
    try:
        with deferred():
            model = build(architecture)
    except UnknownPartError as error:
        raise CheckpointError(f"load: the architecture in {path} makes no sense: {error}") from error
    if type(model) not in LAYERS.values():
        raise CheckpointError(f"load: the architecture in {path} is not a layer")
    _put(path, tensors, model, assign=True)
    return model.eval()


def read_meaning(path: str | os.PathLike[str]) -> Meaning:
    """What inputs and outputs of a model in a file stand for; nothing is known where `save` was not told.

    Args:
        path: of a model that can be trained, or of a compiled one.

    Raises:
        CheckpointError: the file is damaged.
        OSError: the file cannot be read.
    """
    path = Path(path)
    metadata = _read(path)[0]
    header = _header(path, {"minidnn": metadata.get("minidnn", metadata.get("minidnn-inference", "{}"))})
    try:
        return Meaning.from_json(header.get("meaning", {}))
    except MeaningError as error:
        raise CheckpointError(f"load: the meaning in {path} makes no sense: {error}") from error


def read_tensors(path: Path) -> dict[str, Array]:
    """Every tensor of a ``.safetensors`` file, by name.

    Raises:
        CheckpointError: the file is damaged.
        OSError: the file cannot be read.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    from safetensors import SafetensorError, safe_open

    with open(path, "rb"):  # a missing file or folder is told by Python's own errors
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"load: {path} is not a whole .safetensors file: {error}") from error


def _header(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(metadata.get("minidnn", "{}"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"load: the header of {path} makes no sense: {error}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"load: the header of {path} makes no sense: it is a {type(header).__name__}")
    if (version := header.get("version", VERSION)) != VERSION:
        raise CheckpointError(f"load: {path} is of version {version!r}, this minidnn reads {VERSION}")
    return header


def _verify(path: Path, header: dict[str, Any], tensors: dict[str, Array]) -> None:
    """Compares the checksum, where there is one: files of other programs have none."""
    expected = header.pop("sha256", None)
    if expected is not None and checksum(json.dumps(header, sort_keys=True), tensors) != expected:
        raise CheckpointError(f"load: {path} is damaged, or was changed by another program: its checksum is another")


def _put(path: Path, tensors: dict[str, Array], model: Module, assign: bool = False) -> None:
    wrong = [f"{name} is {array.dtype}" for name, array in tensors.items() if array.dtype.kind != "f"]
    if wrong:
        raise CheckpointError(f"load: {path} does not fit: {'; '.join(wrong)}, must be floating")
    try:
        model.load_state_dict(tensors, assign=assign)
    except ValueError as error:
        raise CheckpointError(f"load: {path} does not fit: {error}") from error
