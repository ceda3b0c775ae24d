"""Data sets larger than memory, in mapped files."""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from minidnn import data
from minidnn.data import ArrayDataset, IdxError, load_idx, save_idx

rng = np.random.default_rng(6)
PIXELS = rng.integers(0, 256, (101, 4, 5), np.uint8)
LABELS = np.arange(101)


def mapped(tmp_path, kind):
    if kind == "idx":
        save_idx(tmp_path / "x.idx", PIXELS)
        return load_idx(tmp_path / "x.idx", mmap=True)
    x = PIXELS if kind == "npy bytes" else PIXELS.astype(np.float32) / np.float32(255)
    np.save(tmp_path / "x.npy", x)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", ["idx", "npy bytes", "npy floats"])
def test_mapped_files_give_the_bytes_of_arrays(tmp_path, kind):
    x = mapped(tmp_path, kind)
    lazy, eager = ArrayDataset(x, LABELS), ArrayDataset(PIXELS, LABELS)
    assert np.shares_memory(lazy.x, x) and lazy.slow and not eager.slow and lazy[3:].slow
    order = rng.permutation(101)
    assert lazy.gather(order).tobytes() == eager.gather(order).tobytes()
    assert lazy.images.tobytes() == eager.images.tobytes()
    first, second = data.split(lazy, [0.5, 0.5])
    assert first.slow and np.array_equal(second.images, eager.images[second.indices])


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_a_mapped_idx_file_equals_a_read_one(tmp_path, dtype):
    for shape in ((), (0,), (7,), (2, 0, 3), (3, 2)):
        array = rng.integers(0, 100, shape).astype(dtype)
        save_idx(tmp_path / "x.idx", array)
        got = load_idx(tmp_path / "x.idx", mmap=True)
        assert got.shape == shape and np.array_equal(got, array)
        assert not got.size or not got.flags.writeable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "too short"),
        (b"\1\0\x08\1\0\0\0\1a", "magic number"),
        (b"\0\0\x08\2\0\0\0\1", "ends within its 2 dimensions"),
        (b"\0\0\x08\1\0\0\0\2a", "take 2 bytes, but holds 1"),
        (b"\0\0\x08\1\0\0\0\1ab", "take 1 bytes, but holds 2"),
        (struct.pack(">HBB4I", 0, 8, 4, *[2**32 - 1] * 4), "but holds 0"),
        (struct.pack(">HBB255I", 0, 8, 255, *[1] * 255) + b"1", "no array can have"),
        (struct.pack(">HBB6I", 0, 8, 6, 0, *[2**32 - 1] * 5), "no array can have"),
        (b"\x1f\x8b\x08\0", "gzipped and cannot be mapped"),
    ],
)
def test_an_invalid_file_is_not_mapped(tmp_path, content, message):
    (tmp_path / "x.idx").write_bytes(content)
    with pytest.raises(IdxError, match=message):
        load_idx(tmp_path / "x.idx", mmap=True)


SCRIPT = """
import resource, struct, sys
import numpy as np
from minidnn import data, nn, optim, training

size = 700 * 2**20 // 784 * 784
with open(sys.argv[1], "wb") as file:  # a sparse file, which takes no disk space
    file.write(struct.pack(">HBB2I", 0, 8, 2, size // 784, 784))
    file.truncate(12 + size)
    file.seek(12)
    file.write(bytes([255]) * 784)
x = data.load_idx(sys.argv[1], mmap=True)
digits = data.ArrayDataset(x, np.zeros(len(x), np.uint8))
here = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (here + 2**27, here + 2**27))
ones = seen = 0
for batch, labels in data.batches(digits, 5000):
    seen, ones = seen + len(labels), ones + int(batch.sum())
    if seen > 200_000:
        break
model = nn.Sequential(nn.Dense(784, 2))
small = data.Subset(digits, range(2000))
training.fit(model, small, optimizer=optim.SGD(model.parameters(), lr=0.1), epochs=1, batch_size=100, progress=False)
assert digits[:1].images.sum() == 784 and data.Standardize(small).mean[0] == np.float32(1 / 2000 )
try:
    np.array(x)
except MemoryError:
    print("ok")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts private memory on Linux")
@pytest.mark.skipif("MINIDNN_SANITIZED" in os.environ, reason="sanitizers need additional memory")
def test_batches_of_data_larger_than_memory(tmp_path):
    # 700 MB of images, 128 MB of memory: the data do not fit, as the last lines of the script show.
    path = tmp_path / "large.idx"
    done = subprocess.run([sys.executable, "-P", "-c", SCRIPT, path], capture_output=True, text=True, timeout=120)
    path.unlink()
    assert done.stdout == "ok\n", done.stderr
