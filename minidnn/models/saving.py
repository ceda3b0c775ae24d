"""A model in one file: a ``.safetensors`` file whose header holds the architecture."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar, overload

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
            know classes, columns and units. None: what `training.fit` left in ``model.meaning``.

    Layers that are there twice and tensors that are tied are written once, and shared again by the model that `load`
    builds. What it would build otherwise is refused.

    Raises:
        ValueError: a layer of your own that is not registered (`nn.register`); a tensor that its layer does not make,
            such as a kernel of another shape; weights that are not finite, where there is a file already.
        OSError: the file cannot be written; what was there before is still there.
    """
    if (fault := not_finite(model)) and os.path.isfile(path):
        raise ValueError(f"save: {fault}, and {path} is there already: it is left as it is; give another path")
    atomic_write(path, to_bytes(model, architecture, meaning))


def to_bytes(model: Module, architecture: bool = True, meaning: Meaning | None = None) -> bytes:
    """What `save` writes.

    Raises:
        ValueError: a layer that is not registered; a tensor that its layer does not make.
    """
    from safetensors.numpy import save as serialize

    # One entry, since safetensors writes several in random order, and the same model shall give the same bytes.
    header = {"version": VERSION, **(_architecture(model) if architecture else {"architecture": None})}
    meaning = meaning_of(model) if meaning is None else meaning
    if meaning is not None:
        header["meaning"] = meaning.to_json()
    tensors = {name: np.ascontiguousarray(array) for name, array in model.state_dict().items()}
    header["sha256"] = checksum(json.dumps(header, sort_keys=True), tensors)
    return serialize(tensors, {"minidnn": json.dumps(header, sort_keys=True)})


def _architecture(model: Module) -> dict[str, Any]:
    """What `_built` makes the same model of, but for values."""
    parts: dict[str, Any] = {"architecture": describe(model)}
    state = get_rng_state()  # layers of the user's may draw where initial values cannot be deferred
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
    """The model of a file that `save` wrote, in evaluation mode; or the weights of any such file, put into a model.

    A model is built from minidnn's layers and those that are registered (`nn.register`); no file can name other code,
    nor make the program allocate more than it really holds.

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
    if header.get("architecture") is None:
        raise CheckpointError(f"load: {path} holds weights alone: load(path, into=model) puts them into a model")
    try:
        model = _built(header)
    except ValueError as error:
        raise CheckpointError(f"load: the architecture in {path} makes no sense: {error}") from error
    _put(path, tensors, model, assign=True)
    meaning = _meaning(path, header)
    model.meaning = meaning if meaning != Meaning() else None
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
    try:
        header = json.loads(metadata.get("minidnn", metadata.get("minidnn-inference", "{}")))
        return _meaning(path, header)
    except (json.JSONDecodeError, RecursionError, AttributeError) as error:
        raise CheckpointError(f"load: the header of {path} makes no sense: {error}") from error


def _meaning(path: Path, header: dict[str, Any]) -> Meaning:
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
    try:
        return read_safetensors(path)
    except ValueError as error:
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
    own = model.tensors() if assign else {}
    for name, array in tensors.items():
        if array.dtype == np.float64 and name in own and own[name].shape == array.shape:
            own[name].data = np.broadcast_to(array.dtype.type(0), array.shape)  # a model of float64 stays one
    try:
        model.load_state_dict(tensors, assign=assign)
    except ValueError as error:
        raise CheckpointError(f"load: {path} does not fit: {error}") from error
