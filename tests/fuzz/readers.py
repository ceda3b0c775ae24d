"""The readers of files, given bytes of every kind: each returns its result or raises a clear error.

`fuzz.py` lets a coverage-guided fuzzer choose the bytes; `tests/models/test_fuzz.py` damages good files in simple
ways, and reads the files of ``corpus/`` again.
"""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import seeds
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as to_bytes

import minidnn
from minidnn import deploy, nn, optim, training
from minidnn.data import IdxError, ImageError, ImageFolder, Meaning, MeaningError, load_csv, load_idx
from minidnn.data.npy import NpyError, load_npy
from minidnn.deploy import storage
from minidnn.files import checksum
from minidnn.models import CheckpointError
from minidnn.training import ResumeError
from minidnn.zoo import Catalogue, ZooError
from minidnn.zoo.cards import read_manifest, write_manifest


def idx(path: Path) -> None:
    try:
        array = load_idx(path)
    except IdxError as error:
        assert str(path) in str(error)
    else:
        assert array.nbytes <= 1100 * path.stat().st_size  # what gzip can make of it


def npy(path: Path) -> None:
    try:
        array = load_npy(path)
    except NpyError as error:
        assert str(path) in str(error)
    else:
        assert array.nbytes <= path.stat().st_size


def meaning(path: Path) -> None:
    """The part of a model's header with the meaning of inputs and outputs."""
    try:
        made = Meaning.from_json(json.loads(path.read_bytes()))
    except (MeaningError, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return
    assert Meaning.from_json(json.loads(json.dumps(made.to_json()))) == made
    table = path.with_suffix(".csv")
    table.write_text("a,b\n1,x\n,y\n")
    try:
        loaded = load_csv(table, None, like=made, unknown="zeros")
    except ValueError as error:
        assert "load_csv: " in str(error)
    else:
        assert loaded.columns == made.columns and loaded.x.shape == (2, len(made.columns))


def model(path: Path) -> None:
    try:
        loaded = minidnn.load(path)
    except CheckpointError as error:
        assert str(path) in str(error)
    else:
        assert sum(array.nbytes for array in loaded.state_dict().values()) <= path.stat().st_size


def weights(path: Path) -> None:
    own = nn.Dense(3, 2)
    try:
        minidnn.load(path, into=own)
    except CheckpointError as error:
        assert str(path) in str(error)


def checkpoint(path: Path) -> None:
    network = nn.Dense(3, 2)
    try:
        training.fit(
            network,
            seeds.TRAIN,
            optimizer=optim.SGD(network.parameters(), 0.1, momentum=0.9),
            epochs=1,
            batch_size=2,
            progress=False,
            resume=path.parent,
        )
    except ResumeError as error:
        assert str(path.parent) in str(error)


def header(path: Path) -> None:
    """Reads the bytes as the header of an otherwise valid model file, which passes the checks of safetensors."""
    text = path.read_bytes().decode(errors="replace")
    path.write_bytes(to_bytes(nn.Dense(3, 2).state_dict(), {"minidnn": text}))
    model(path)


def state(path: Path) -> None:
    """Reads the bytes as the text of a checkpoint with valid arrays and the right checksum."""
    text, arrays = path.read_bytes().decode(errors="replace"), _arrays_of_a_run()
    own = {"text": text, "sha256": checksum(text, arrays)}
    path.write_bytes(to_bytes(arrays, {"minidnn-run": json.dumps(own)}))
    checkpoint(path)


@cache
def _arrays_of_a_run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return arrays_of(seeds.checkpoint(Path(folder)))


def manifest(path: Path) -> None:
    """The card can be printed and searched, is written as it was read, and names no file outside its folder."""
    try:
        cards = Catalogue(path.parent).cards()
    except ZooError as error:
        assert str(path) in str(error)
    else:
        assert read_manifest(write_manifest(cards), path) == cards
        for card in cards:
            assert card.name in str(card) and card.matches(card.name)
            assert (path.parent / card.file).resolve().parent == path.parent.resolve()


def compiled(path: Path) -> None:
    try:
        loaded = deploy.load(path)
    except CheckpointError as error:
        assert str(path) in str(error)
    else:
        assert loaded.predict(np.zeros((1, loaded.n_in), np.float32)).shape == (1, loaded.n_out)


def program(path: Path) -> None:
    """Reads the bytes as the header of a compiled model, with the arrays of several and the right checksum."""
    try:
        header = json.loads(path.read_bytes().decode(errors="replace"))
    except (ValueError, RecursionError):
        return  # `compiled` covers it
    for arrays in _arrays_of_programs():
        if isinstance(header, dict):
            header["sha256"] = storage._checksum(header, arrays)
        path.write_bytes(to_bytes(arrays, {"minidnn-inference": json.dumps(header)}))
        compiled(path)


@cache
def _arrays_of_programs() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return [arrays_of(content) for content in seeds.compiled_models(Path(folder))]


def image(path: Path) -> None:
    """Reads the bytes as the only picture of a folder, with a lower limit on pixels, so that Pillow allocates less."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS, before = 1 << 20, Image.MAX_IMAGE_PIXELS
    try:
        for shape in ((8, 8), (3, 5, 3)):
            loaded = ImageFolder(path.parents[1], shape).load()
            assert loaded.x.shape == (1, np.prod(shape)) and loaded.x.dtype == np.uint8
    except ImageError as error:
        assert str(path) in str(error)
    finally:
        Image.MAX_IMAGE_PIXELS = before


def table(path: Path) -> None:
    for options in ({}, {"categories": [0], "missing": 0.0}, {"task": "classification", "missing": "indicator"}):
        try:
            loaded = load_csv(path, -1, header=False, **options)
        except ValueError as error:
            assert "load_csv: " in str(error) and str(path) in str(error)
        else:
            assert np.isfinite(loaded.x).all() and loaded.x.shape == (len(loaded), len(loaded.columns))
            again = load_csv(path, like=loaded, header=False) if loaded.columns else loaded
            assert again.x.tobytes() == loaded.x.tobytes() and again.y.tobytes() == loaded.y.tobytes()


READERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "idx": (idx, "file.idx"),
    "model": (model, "file.safetensors"),
    "weights": (weights, "file.safetensors"),
    "checkpoint": (checkpoint, "checkpoint-0000000002.safetensors"),
    "header": (header, "file.safetensors"),
    "state": (state, "checkpoint-0000000002.safetensors"),
    "manifest": (manifest, "zoo.json"),
    "compiled": (compiled, "file.mdnn"),
    "program": (program, "file.mdnn"),
    "npy": (npy, "file.npy"),
    "meaning": (meaning, "meaning.json"),
    "image": (image, "pictures/class/picture.png"),
    "table": (table, "table.csv"),
}
"""name -> reader, name of the file."""

DOCUMENTS = ("header", "state", "manifest", "program", "meaning")
"""Readers of JSON, in which whole values can be changed."""


def read(name: str, content: bytes, folder: Path) -> None:
    """Reads the bytes as a file of that kind; an exception or too much memory is a fault."""
    reader, file = READERS[name]
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    tracing = not tracemalloc.is_tracing()
    if tracing:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    try:
        reader(path)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        if tracing:
            tracemalloc.stop()
    assert peak < (16 << 20) + 4000 * len(content), f"{peak} bytes of memory for a file of {len(content)}"
