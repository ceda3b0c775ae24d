"""Files in NumPy's format: arrays of np.save are loaded unchanged, and other files are an NpyError."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidnn.data.npy import NpyError, load_npy


@pytest.mark.parametrize("dtype", ["u1", "?", "<i2", ">i4", "<f4", ">f8", "<f2"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_files_of_numpy_are_loaded_unchanged(tmp_path, dtype, shape, order):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    loaded = load_npy(tmp_path / "a.npy")
    assert np.array_equal(loaded, array) and loaded.shape == shape and loaded.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(loaded, np.load(tmp_path / "a.npy"))


def content(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_header(text):
    head = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("a.npy", content(np.zeros(3)))
    return file.getvalue()


WHOLE = content(np.arange(6.0))
LONG = b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b"{'descr': '<f8'"
FAULTS = {
    "a long header": (LONG, "not a .npy file"),
    "nothing": (b"", "not a .npy file"),
    "text": (b"no numbers", "not a .npy file"),
    "a zip": (archive(), "not a .npy file"),
    "objects": (content(np.array([{}], object)), "not a .npy file of numbers: it holds objects"),
    "words": (content(np.array(["a"])), "holds <U1, must be numbers"),
    "complex": (content(np.array([1j])), "holds complex128, must be numbers"),
    "too short": (WHOLE[:-1], r"shape \(6,\), which takes 48 bytes, but holds 47"),
    "too long": (WHOLE + b"\0", "but holds 49"),
    "version": (WHOLE[:6] + b"\x09" + WHOLE[7:], "not a .npy file"),
    "a huge shape": (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }"), "not a .npy file"),
    "huge": (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"), "but holds 0"),
    "negative": (
        with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 0), }"),
        "which no array can have",
    ),
    "code": (with_header("{'descr': print('x'), 'fortran_order': False, 'shape': (1,), }"), "not a .npy file"),
    "deep": (with_header("(" * 100), "not a .npy file"),
    "no dtype": (with_header("{'descr': 'zz', 'fortran_order': False, 'shape': (1,), }"), "not a .npy file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_other_files_are_refused(tmp_path, fault):
    path = tmp_path / "a.npy"
    path.write_bytes(FAULTS[fault][0])
    tracemalloc.start()
    with pytest.raises(NpyError, match=FAULTS[fault][1]) as error:
        load_npy(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
def test_a_changed_byte_gives_an_array_or_an_error(tmp_path_factory, place, byte, cut):
    path = tmp_path_factory.getbasetemp() / "changed.npy"
    changed = bytearray(WHOLE)
    changed[place] = byte
    path.write_bytes(changed if cut % 2 else changed[:cut])
    try:
        assert load_npy(path).nbytes <= len(changed)
    except NpyError as error:
        assert str(path) in str(error)
