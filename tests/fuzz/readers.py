"""What reads files, fed with bytes of every kind: an array, a model or a clear error comes out, and nothing else.

`fuzz.py` lets a coverage-guided fuzzer choose the bytes; `tests/test_fuzz.py` damages good files in simple ways.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save as to_bytes

import minidnn
from minidnn import data, nn, optim, training
from minidnn.data import IdxError, load_idx, save_idx
from minidnn.files import checksum
from minidnn.reuse import CheckpointError
from minidnn.training import ResumeError

TRAIN = data.ArrayDataset(np.zeros((4, 3), np.uint8), np.array([0, 1, 0, 1]))


def idx(path: Path) -> None:
    try:
        array = load_idx(path)
    except IdxError as error:
        assert str(path) in str(error)
    else:
        assert array.nbytes <= 1100 * path.stat().st_size  # what gzip can make of it


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
            TRAIN,
            optimizer=optim.SGD(network.parameters(), 0.1, momentum=0.9),
            epochs=1,
            batch_size=2,
            progress=False,
            resume=path.parent,
        )
    except ResumeError as error:
        assert str(path.parent) in str(error)


def header(path: Path) -> None:
    """The bytes as the header of a model, in a file that is otherwise whole: what lies behind safetensors' checks."""
    text = path.read_bytes().decode(errors="replace")
    path.write_bytes(to_bytes(nn.Dense(3, 2).state_dict(), {"minidnn": text}))
    model(path)


def state(path: Path) -> None:
    """The bytes as the text of a checkpoint whose checksum is right."""
    text = path.read_bytes().decode(errors="replace")
    own = {"text": text, "sha256": checksum(text, {})}
    path.write_bytes(to_bytes({}, {"minidnn-run": json.dumps(own)}))
    checkpoint(path)


READERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "idx": (idx, "file.idx"),
    "model": (model, "file.safetensors"),
    "weights": (weights, "file.safetensors"),
    "checkpoint": (checkpoint, "checkpoint-0000000002.safetensors"),
    "header": (header, "file.safetensors"),
    "state": (state, "checkpoint-0000000002.safetensors"),
}
"""name -> what reads, and the file's name."""


def read(name: str, content: bytes, folder: Path) -> None:
    """Reads the bytes as a file of that kind; an exception or too much memory is a fault."""
    reader, file = READERS[name]
    path = folder / file
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


def seeds(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(name of the reader, a good file)."""
    for dtype in ("u1", "i4", "f8"):
        for suffix in ("idx", "idx.gz"):
            save_idx(path := folder / f"seed.{suffix}", np.arange(6, dtype=dtype).reshape(2, 3))
            yield "idx", path.read_bytes()
    minidnn.manual_seed(1)
    path = folder / "seed.safetensors"
    dense = nn.Dense(3, 2)
    for network in (dense, nn.Sequential(nn.Dense(3, 2, "elu", kernel_regularizer=nn.l2(0.1)), nn.BatchNorm(2))):
        minidnn.save(network, path)
        yield "model", path.read_bytes()
        yield "header", metadata_of(without_checksum(path.read_bytes()))["minidnn"].encode()
    minidnn.save(dense, path, architecture=False)
    yield "weights", path.read_bytes()
    training.fit(
        dense,
        TRAIN,
        optimizer=optim.SGD(dense.parameters(), 0.1, momentum=0.9),
        epochs=1,
        batch_size=2,
        progress=False,
        callbacks=[training.Checkpoint(folder / "run")],
    )
    content = next((folder / "run").iterdir()).read_bytes()
    yield "checkpoint", content
    yield "state", json.loads(metadata_of(content)["minidnn-run"])["text"].encode()


def metadata_of(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def without_checksum(content: bytes) -> bytes:
    """A safetensors file whose checksum is gone, so that what lies behind it is reached."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    own = json.loads(header["__metadata__"]["minidnn"])
    own.pop("sha256", None)
    header["__metadata__"]["minidnn"] = json.dumps(own)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]
