"""Valid files of every kind, from which the fuzzer and the tests start; they are made for each run, in the current
format. Files that a fuzzer found are in ``corpus/READER``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minidnn
from minidnn import data, deploy, nn, optim, training
from minidnn.data import save_idx
from minidnn.zoo import Card
from minidnn.zoo.cards import write_manifest

CORPUS = Path(__file__).parent / "corpus"
TRAIN = data.ArrayDataset(np.zeros((4, 3), np.uint8), np.array([0, 1, 0, 1]))


def of_every_reader(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields (name of the reader, a good file)."""
    for dtype in ("u1", "i4", "f8"):
        for suffix in ("idx", "idx.gz"):
            save_idx(path := folder / f"seed.{suffix}", np.arange(6, dtype=dtype).reshape(2, 3))
            yield "idx", path.read_bytes()
    for array in (np.arange(6.0).reshape(2, 3), np.arange(6, dtype=">i2"), np.zeros((2, 0), np.uint8, order="F")):
        np.save(path := folder / "seed.npy", array)
        yield "npy", path.read_bytes()
    (path := folder / "seed.csv").write_text("a,b,y\n1,x,0.5\n,y,1\n")
    for options in ({"ignore": ["b"], "missing": "mean"}, {"categories": ["b"], "missing": "indicator"}):
        table = data.load_csv(path, "y", **options)
        for meaning in (table.meaning, data.Standardize(table)(table).meaning):
            yield "meaning", json.dumps(meaning.to_json()).encode()
    yield from _models(folder)
    for content in compiled_models(folder):
        yield "compiled", content
        yield "program", metadata_of(content)["minidnn-inference"].encode()
    for cards in ([], _cards()[:1], _cards()):
        yield "manifest", write_manifest(cards)
    yield from (("image", content) for content in _pictures())
    yield "table", b"1.5,red,2\n-3e4,,0\n"
    yield "table", b'a,"b ""c""",yes\r\nb, ,no\r\n'


def _models(folder: Path) -> Iterator[tuple[str, bytes]]:
    minidnn.manual_seed(1)
    path = folder / "seed.safetensors"
    dense, shared = nn.Dense(3, 2), nn.Dense(3, 3)
    tied = nn.Sequential(shared, shared, nn.Dense(3, 3))
    tied[2].kernel = shared.kernel
    several = nn.Sequential(nn.Dense(3, 2, "elu", kernel_regularizer=nn.l2(0.1)), nn.BatchNorm(2))
    for network in (dense, several, tied):
        minidnn.save(network, path)
        yield "model", path.read_bytes()
        yield "header", metadata_of(without_checksum(path.read_bytes()))["minidnn"].encode()
    minidnn.save(dense, path, architecture=False)
    yield "weights", path.read_bytes()
    yield "checkpoint", (content := checkpoint(folder))
    yield "state", json.loads(metadata_of(content)["minidnn-run"])["text"].encode()


def checkpoint(folder: Path) -> bytes:
    """A checkpoint of the run that the readers resume."""
    minidnn.manual_seed(1)
    dense = nn.Dense(3, 2)
    training.fit(
        dense,
        TRAIN,
        optimizer=optim.SGD(dense.parameters(), 0.1, momentum=0.9),
        epochs=1,
        batch_size=2,
        progress=False,
        callbacks=[training.Checkpoint(folder / "run")],
    )
    return next((folder / "run").iterdir()).read_bytes()


def compiled_models(folder: Path) -> list[bytes]:
    """Models with every kind of stage, in every format of weights."""
    rng = minidnn.Generator(1)
    network = nn.Sequential(
        nn.Dense(4, 6, nn.PReLU(6), rng=rng),
        nn.Residual(nn.Sequential(nn.Dense(6, 6, "elu", rng=rng), nn.LayerNorm(6))),
        nn.SkipConcat(nn.Sequential(nn.BatchNorm(6), nn.Tanh())),
        nn.Dense(12, 2, rng=rng),
        nn.Softmax(),
    )
    for layer in (network.layers[0], network.layers[3]):
        layer.kernel.data[::2] = 0
    forms = [
        {"dtype": dtype, "sparse": sparse} for dtype in ("float32", "bfloat16", "int8") for sparse in (False, True)
    ]
    path, contents = folder / "seed.mdnn", []
    for form in forms:
        deploy.compile(network, calibration=np.eye(4), **form).save(path)
        contents.append(path.read_bytes())
    return contents


def _cards() -> list[Card]:
    whole = {"task": "none", "data": "none", "licence": "CC0-1.0", "sha256": "0" * 64, "size": 9}
    rich = {"description": "two\nlines", "tags": ("toy", "é"), "architecture": "Dense 4-2", "date": "2017-03-13"}
    return [Card(name="a", metrics={}, **whole), Card(name="b-2.c_d", metrics={"accuracy": 0.5}, **whole, **rich)]


def _pictures() -> Iterator[bytes]:
    """Pictures in each format, grey and in colour."""
    from PIL import Image

    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    for array in (pixels, pixels[..., 0]):
        for kind in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"):
            content = io.BytesIO()
            Image.fromarray(array).save(content, kind)
            yield content.getvalue()


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON document, as (list or object, index or key)."""
    if isinstance(document, (dict, list)):
        for key, inner in document.items() if isinstance(document, dict) else enumerate(document):
            yield document, key
            yield from places(inner)


def metadata_of(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return metadata


def without_checksum(content: bytes) -> bytes:
    """A safetensors file without its checksum, so that later checks are reached."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    own = json.loads(header["__metadata__"]["minidnn"])
    own.pop("sha256", None)
    header["__metadata__"]["minidnn"] = json.dumps(own)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]
