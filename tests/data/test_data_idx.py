"""IDX files: round trips, and every kind of invalid file."""

import contextlib
import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minidnn.data import IdxError, load_idx, save_idx

TYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]


@pytest.fixture(params=["file.idx", "file.idx.gz"])
def path(request, tmp_path):
    return tmp_path / request.param


def write(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def idx(kind=0x08, shape=(2, 3), body=bytes(range(6)), zero=0):
    return struct.pack(f">HBB{len(shape)}I", zero, kind, len(shape), *shape) + body


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    array=st.sampled_from(TYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    )
)
def test_saved_arrays_are_loaded_unchanged(path, array):
    save_idx(path, array)
    loaded = load_idx(path)
    assert loaded.dtype == array.dtype and loaded.dtype.isnative and loaded.flags.c_contiguous
    assert loaded.shape == array.shape and loaded.tobytes() == array.tobytes()


def test_the_format_matches_the_published_description(path):
    # 0x00000D02: floats, two dimensions, big-endian.
    write(path, bytes.fromhex("00000d02 00000001 00000002 3f800000 c0000000"))
    assert load_idx(path).tolist() == [[1.0, -2.0]]


def test_gzip_is_recognized_by_content_not_by_name(tmp_path):
    (tmp_path / "a.idx").write_bytes(gzip.compress(idx()))
    (tmp_path / "b.gz").write_bytes(idx())
    assert load_idx(tmp_path / "a.idx").tolist() == load_idx(tmp_path / "b.gz").tolist() == [[0, 1, 2], [3, 4, 5]]


FAULTS = {
    "an empty file": (b"", "too short for an IDX file: 0 bytes"),
    "three bytes": (b"\0\0\x08", "too short for an IDX file: 3 bytes"),
    "another magic number": (idx(zero=1), "magic number 0x00010802, which is not that of an IDX file"),
    "an unknown type": (idx(kind=0x0A), "magic number 0x00000a02"),
    "half its dimensions": (idx()[:7], "ends within its 2 dimensions"),
    "a short body": (idx(body=b"12345"), r"dimensions \(2, 3\), which take 6 bytes, but holds 5 bytes"),
    "a long body": (idx(body=b"1234567"), r"dimensions \(2, 3\), which take 6 bytes, but holds more"),
    "absurd dimensions": (idx(shape=(2**32 - 1,) * 4), "but holds 6 bytes"),
    "absurd dimensions of doubles": (idx(kind=0x0E, shape=(2**31,) * 8), "but holds 6 bytes"),
    "too many dimensions": (idx(shape=(1,) * 255, body=b"1"), "no array can have"),
    "nothing, absurdly": (idx(shape=(0, *(2**32 - 1,) * 5), body=b""), "no array can have"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_invalid_file_is_refused_with_its_name_and_fault(path, fault):
    content, message = FAULTS[fault]
    write(path, content)
    with pytest.raises(IdxError, match=message) as error:
        load_idx(path)
    assert str(path) in str(error.value)


def test_a_file_truncated_anywhere_is_refused(path):
    write(path, idx())
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(IdxError, match="load_idx"):
            load_idx(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 200), bit=st.integers(0, 7))
def test_a_flipped_bit_gives_the_right_size_or_an_error(path, place, bit):
    write(path, idx())
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        loaded = load_idx(path)
    except IdxError:
        return
    assert loaded.nbytes == 6


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=64))
def test_any_bytes_at_all(path, content):
    path.write_bytes(content)
    with contextlib.suppress(IdxError):
        assert load_idx(path).nbytes <= 64


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(idx() + bytes(200_000_000)))
    with pytest.raises(IdxError, match="holds more"):
        load_idx(path)


def test_missing_files_raise_errors_of_python(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_idx(tmp_path / "no.idx")
    with pytest.raises(IsADirectoryError):
        load_idx(tmp_path)


@pytest.mark.parametrize("dtype", ["u2", "i8", "f2", "U3", "bool"])
def test_types_without_a_code_cannot_be_saved(tmp_path, dtype):
    with pytest.raises(TypeError, match="save_idx: array is"):
        save_idx(tmp_path / "x.idx", np.zeros(3, dtype))
    assert not list(tmp_path.iterdir())


def test_saving_twice_gives_the_same_bytes(path):
    contents = set()
    for _ in range(2):
        save_idx(path, np.arange(5, dtype=np.int32))
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    packed = gzip.compress(bytes([0, 0, 8, 1]) + (200 << 20).to_bytes(4, "big") + bytes(200 << 20), mtime=0)
    path = tmp_path / "bomb.gz"
    path.write_bytes(packed)
    tracemalloc.start()
    with pytest.raises(IdxError, match="more than 100 times the file; unpack it with gunzip first"):
        load_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * (64 << 20) < 200 << 20
    zeros = bytes(50 << 20)  # a thousand times the file, but not much
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + len(zeros).to_bytes(4, "big") + zeros, mtime=0))
    assert load_idx(path).shape == (50 << 20,)
