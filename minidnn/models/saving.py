"""A model in one file: a ``.safetensors`` file whose header holds the architecture."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np

from minidnn.data import Meaning, MeaningError
from minidnn.data.meaning import meaning_of
from minidnn.files import atomic_write, checksum, read_safetensors
from minidnn.models.registry import UnknownPartError, build, describe, layer_name
from minidnn.models.sharing import tie, ties, unlike
from minidnn.nn import Module
from minidnn.nn.finite import not_finite
from minidnn.nn.initializers import deferred
from minidnn.random import get_rng_state, set_rng_state
from minidnn.reference.types import Array

VERSION = 1

M = TypeVar("M", bound=Module)


class CheckpointError(ValueError):
    """The content of a file is invalid; the message names the file and the fault."""


def save(
    model: Module, path: str | os.PathLike[str], architecture: bool = True, meaning: Meaning | None = None
) -> None:
    """Writes parameters and buffers, named by path (``hidden1.kernel``), the architecture and a checksum, to one file.

    The format is ``.safetensors``, which other libraries can read. The write is atomic: an old file is replaced only
    when the new one is complete. Shared layers and tied tensors are written once; `load` shares them again. A model
    that `load` would build differently is refused.

    Args:
        architecture: False writes only the weights, which works for any model.
        meaning: the meaning of inputs and outputs, such as ``train.meaning``: `read_meaning` and ``minidnn predict``
            read classes, columns and units from it. None: ``model.meaning``, which `training.fit` sets.

    Raises:
        ValueError: a layer of your own is not registered (`nn.register`); a tensor is not what its layer creates, such
            as a kernel of another shape; weights are not finite and the file already exists.
        OSError: the file cannot be written; an old file is unchanged.
    """
    if (fault := not_finite(model)) and os.path.isfile(path):
        raise ValueError(f"save: {fault}, and {path} exists already: it is not overwritten; give another path")
    atomic_write(path, to_bytes(model, architecture, meaning))


def to_bytes(model: Module, architecture: bool = True, meaning: Meaning | None = None) -> bytes:
    """The content of the file that `save` writes.

    Raises:
        ValueError: a layer is not registered; a tensor is not what its layer creates.
    """
    from safetensors.numpy import save as serialize

    # A single entry: safetensors writes several in random order, and the same model must give the same bytes.
    header = {"version": VERSION, **(_architecture(model) if architecture else {"architecture": None})}
    meaning = meaning_of(model) if meaning is None else meaning
    if meaning is not None:
        header["meaning"] = meaning.to_json()
    tensors = {name: np.ascontiguousarray(array) for name, array in model.state_dict().items()}
    header["sha256"] = checksum(json.dumps(header, sort_keys=True), tensors)
    return serialize(tensors, {"minidnn": json.dumps(header, sort_keys=True)})


def _architecture(model: Module) -> dict[str, Any]:
    """The description from which `_built` builds the model without its values."""
    parts: dict[str, Any] = {"architecture": describe(model)}
    state = get_rng_state()  # layers of the user may draw initial values, which `deferred` does not prevent
    try:
        built = _built(parts)
        own = ties(built)
        if tied := {path: source for path, source in ties(model).items() if own.get(path) != source}:
            parts["tied"] = tied
            tie(built, tied)
        fault = unlike(model, built)
    except ValueError as error:
        fault = str(error)
    finally:
        set_rng_state(state)
    if fault:
        raise UnknownPartError(
            f"save: no file can describe this model: {fault}. Its weights alone can be saved: "
            "save(model, path, architecture=False)"
        )
    return parts


def _built(header: dict[str, Any]) -> Module:
    with deferred():
        model: Module = build(header["architecture"])
    if not isinstance(model, Module) or layer_name(type(model)) is None:
        raise UnknownPartError("it is not a layer")
    tied = header.get("tied", {})
    if not isinstance(tied, dict) or not all(isinstance(source, str) for source in tied.values()):
        raise UnknownPartError(f"tied is {tied!r}")
    tie(model, tied)
    return model


@overload
def load(path: str | os.PathLike[str]) -> Module: ...
@overload
def load(path: str | os.PathLike[str], into: M) -> M: ...
def load(path: str | os.PathLike[str], into: Module | None = None) -> Module:
    """Loads the model of a file that `save` wrote, in evaluation mode; or only its weights, into a given model.

    A model is built only from minidnn's layers and registered ones (`nn.register`). A file cannot name other code, nor
    make the program allocate more memory than its tensors take.

    Args:
        into: the model that gets the weights and keeps its mode; names and shapes must all match.

    Returns:
        The model, or ``into``.

    Raises:
        CheckpointError: the file is damaged (its checksum is compared), has no architecture that minidnn knows, or does
            not fit ``into``.
        OSError: the file cannot be read.
    """
    return loaded(contents(path), into)


def loaded(content: Content, into: Module | None = None) -> Module:
    """What `load` returns, from a file that has been read."""
    path, metadata, tensors = content
    header = _header(path, metadata)
    _verify(path, header, tensors)
    if into is not None:
        _put(path, tensors, into)
        return into
    if header.get("architecture") is None:
        raise CheckpointError(f"load: {path} holds only weights; use load(path, into=model)")
    try:
        model = _built(header)
    except ValueError as error:
        raise CheckpointError(f"load: the architecture in {path} is invalid: {error}") from error
    _put(path, tensors, model, assign=True)
    meaning = _meaning(path, header)
    model.meaning = meaning if meaning != Meaning() else None
    return model.eval()


def read_meaning(path: str | os.PathLike[str]) -> Meaning:
    """The meaning of the inputs and outputs of a model in a file; an empty `Meaning` if the file has none.

    Args:
        path: the file of a model or of a compiled model.

    Raises:
        CheckpointError: the file is damaged.
        OSError: the file cannot be read.
    """
    return meaning_in(contents(path))


def meaning_in(content: Content) -> Meaning:
    """What `read_meaning` returns, from a file that has been read."""
    path, metadata, _ = content
    try:
        header = json.loads(metadata.get("minidnn", metadata.get("minidnn-inference", "{}")))
        return _meaning(path, header)
    except (json.JSONDecodeError, RecursionError, AttributeError) as error:
        raise CheckpointError(f"load: the header of {path} is invalid: {error}") from error


def _meaning(path: Path, header: dict[str, Any]) -> Meaning:
    try:
        return Meaning.from_json(header.get("meaning", {}))
    except MeaningError as error:
        raise CheckpointError(f"load: the meaning in {path} is invalid: {error}") from error


def read_tensors(path: Path) -> dict[str, Array]:
    """Every tensor of a ``.safetensors`` file, by name.

    Raises:
        CheckpointError: the file is damaged.
        OSError: the file cannot be read.
    """
    return contents(path).tensors


class Content(NamedTuple):
    """What a file holds. Read once: a FIFO gives it once, and a path may lead to another file a moment later."""

    path: Path
    metadata: dict[str, str]
    tensors: dict[str, Array]


def contents(path: str | os.PathLike[str]) -> Content:
    """Reads a ``.safetensors`` file.

    Raises:
        CheckpointError: the file is damaged.
        OSError: the file cannot be read.
    """
    try:
        return Content(Path(path), *read_safetensors(path))
    except ValueError as error:
        raise CheckpointError(f"load: {path} is not a whole .safetensors file: {error}") from error


def _header(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        header = json.loads(metadata.get("minidnn", "{}"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"load: the header of {path} is invalid: {error}") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"load: the header of {path} is invalid: it is a {type(header).__name__}")
    if (version := header.get("version", VERSION)) != VERSION:
        raise CheckpointError(
            f"load: {path} is of version {version!r}, this release of minidnn reads version {VERSION}"
        )
    return header


def _verify(path: Path, header: dict[str, Any], tensors: dict[str, Array]) -> None:
    """Compares the checksum, if there is one: files of other programs have none."""
    expected = header.pop("sha256", None)
    if expected is not None and checksum(json.dumps(header, sort_keys=True), tensors) != expected:
        raise CheckpointError(f"load: {path} is damaged, or was changed by another program: its checksum differs")


def _put(path: Path, tensors: dict[str, Array], model: Module, assign: bool = False) -> None:
    wrong = [f"{name} is {array.dtype}" for name, array in tensors.items() if array.dtype.kind != "f"]
    if wrong:
        raise CheckpointError(f"load: {path} does not fit: {'; '.join(wrong)}, must be floating-point")
    own = model.tensors() if assign else {}
    for name, array in tensors.items():
        if array.dtype == np.float64 and name in own and own[name].shape == array.shape:
            own[name].data = np.broadcast_to(array.dtype.type(0), array.shape)  # gives the parameter its dtype, float64
    try:
        model.load_state_dict(tensors, assign=assign)
    except ValueError as error:
        raise CheckpointError(f"load: {path} does not fit: {error}") from error
