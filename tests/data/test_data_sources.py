"""Fashion-MNIST from a cache, the system's folder and the network; the digits in the package."""

import gzip
import hashlib
import shutil
import struct
import zlib

import numpy as np
import pytest
from kit.server import serving

from minidnn import data
from minidnn.data import sources
from minidnn.data.fashion_mnist import CLASSES
from minidnn.data.sources import SOURCES, Source

FASHION = SOURCES["fashion-mnist"]
DEBIAN = FASHION.system[0]
NAMES = list(FASHION.files)


def idx(shape, body):
    return gzip.compress(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + body, 1, mtime=0)


FILES = {
    "train-images-idx3-ubyte.gz": idx((60_000, 28, 28), b"\7" * 60_000 * 784),
    "train-labels-idx1-ubyte.gz": idx((60_000,), bytes(range(10)) * 6000),
    "t10k-images-idx3-ubyte.gz": idx((10_000, 28, 28), b"\0" * 10_000 * 784),
    "t10k-labels-idx1-ubyte.gz": idx((10_000,), bytes(range(10)) * 1000),
}


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIDNN_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "fashion-mnist"


def source(monkeypatch, mirrors, system=(), files=FILES):
    """Replaces the source by one with these files."""
    known = {name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()}
    monkeypatch.setitem(SOURCES, "fashion-mnist", Source(known, tuple(mirrors), tuple(map(str, system))))


def test_files_are_fetched_once_from_the_first_mirror_that_has_them(monkeypatch, cache):
    pytest.importorskip("pooch")
    with serving() as server:
        for name, content in FILES.items():
            server.pages[f"/second/{name}"] = lambda request, content=content: request.ranged(content)
        source(monkeypatch, [server.url("/first"), server.url("/second")])
        for _ in range(2):
            fashion = data.load_fashion_mnist(progress=False)
        assert [path for path, _ in server.log] == [f"/{m}/{name}" for name in NAMES for m in ("first", "second")]
    assert [len(part) for part in fashion] == [55_000, 5_000, 10_000]
    assert fashion.train.y[:3].tolist() == [0, 1, 2] and fashion.train.x.max() == 7
    assert all(part.classes == CLASSES and part.image_shape == (28, 28) for part in fashion)
    assert sorted(path.name for path in cache.iterdir() if path.name[0] != ".") == sorted(NAMES)


def test_without_network_the_error_names_the_folder_of_the_file(monkeypatch, cache):
    pytest.importorskip("pooch")
    source(monkeypatch, ["http://127.0.0.1:9"])
    with pytest.raises(data.DownloadError) as error:
        data.fetch("fashion-mnist")
    assert f"put it at {cache / NAMES[0]}" in str(error.value)
    cache.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():  # as the error says
        (cache / name).write_bytes(content)
    assert data.fetch("fashion-mnist") == {name: cache / name for name in NAMES}


def test_the_system_folder_is_found_and_the_cache_comes_first(monkeypatch, cache, tmp_path):
    system = tmp_path / "system"
    system.mkdir()
    source(monkeypatch, ["http://127.0.0.1:9"], [tmp_path / "none", system])
    for name in NAMES:
        (system / name).write_bytes(
            gzip.compress(gzip.decompress(FILES[name]), 9, mtime=0)
        )  # other bytes, the same content
    assert data.fetch("fashion-mnist") == {name: system / name for name in NAMES}
    assert len(data.load_fashion_mnist().test) == 10_000
    cache.mkdir(parents=True)
    for name, content in FILES.items():
        (cache / name).write_bytes(content)
    assert data.fetch("fashion-mnist") == {name: cache / name for name in NAMES}
    own = shutil.copytree(cache, tmp_path / "own")
    assert data.fetch("fashion-mnist", own) == {name: own / name for name in NAMES}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (NAMES[0], idx((60_000, 784), b"\0" * 60_000 * 784), r"uint8 \(60000, 784\), must have"),
        (NAMES[2], FILES[NAMES[3]], r"uint8 \(10000,\), must have uint8 \(10000, 28, 28\)"),
        (NAMES[1], idx((60_000,), b"\12" * 60_000), "must have 60000 labels from 0 to 9"),
        (NAMES[3], idx((9,), b"\0" * 9), "must have 10000 labels"),
        (NAMES[3], b"no gzip", "magic number"),
    ],
)
def test_a_wrong_file_in_the_system_folder_is_refused(monkeypatch, cache, tmp_path, name, content, message):
    source(monkeypatch, [], [tmp_path])
    for each in NAMES:
        (tmp_path / each).write_bytes(content if each == name else FILES[each])
    with pytest.raises(data.IdxError, match=message):
        data.load_fashion_mnist()


def test_an_unknown_name():
    with pytest.raises(ValueError, match="must be one of fashion-mnist, got 'mnist'"):
        data.fetch("mnist")


@pytest.fixture(scope="module")
def debian():
    files = {name: sources.Path(DEBIAN) / name for name in NAMES}
    if not all(path.is_file() for path in files.values()):
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    return {name: path.read_bytes() for name, path in files.items()}


# Debian's package has the original compressed stream without name and time; these are the times.
TIMES = {"train": 1504176606, "t10k": 1504176627}


def test_the_checksums_match_the_published_files(debian):
    for name, content in debian.items():
        stem = name.removesuffix(".gz")
        header = b"\x1f\x8b\x08\x08" + struct.pack("<I", TIMES[stem.split("-")[0]]) + b"\0\3" + stem.encode() + b"\0"
        original = header + content[10:]
        assert gzip.decompress(original) == gzip.decompress(content)
        assert (hashlib.sha256(original).hexdigest(), len(original)) == FASHION.files[name]


def test_the_real_fashion_mnist(monkeypatch, cache, debian):
    fashion = data.load_fashion_mnist()
    assert [len(part) for part in fashion] == [55_000, 5_000, 10_000]
    # 7,000 of each class, 6,000 of them for training; and the mean and deviation of the training file that
    # most published code uses.
    assert np.bincount(fashion.test.y).tolist() == [1000] * 10
    assert np.bincount(np.concatenate([fashion.train.y, fashion.valid.y])).tolist() == [6000] * 10
    whole = np.concatenate([fashion.valid.x, fashion.train.x])
    assert abs(whole.mean() / 255 - 0.2860) < 5e-5 and abs(whole.std() / 255 - 0.3530) < 5e-5
    assert CLASSES[fashion.test.y[0]] == "Ankle boot"


def test_the_digits_have_the_published_numbers():
    digits = data.load_digits_sample()
    assert [len(part) for part in digits] == [1197, 300, 300]
    labels = np.concatenate([part.y for part in digits])
    # The class counts of the test part in UCI's description of it.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for part in digits:
        assert part.image_shape == (8, 8) and part.x.dtype == np.float32
        assert part.x.min() == 0 and part.x.max() == 1 and not (part.x * 16 % 1).any()


def test_the_digits_equal_those_of_scikit_learn():
    # CRC-32 of sklearn.datasets.load_digits().data as bytes, scikit-learn 1.9.1.
    whole = np.concatenate([part.x for part in data.load_digits_sample()])
    assert zlib.crc32((whole * 16).astype(np.uint8).tobytes()) == 0xF3A2533C
