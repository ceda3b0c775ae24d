"""ONNX files whose tensors are stored in a file beside them."""

import os

import numpy as np
import pytest

from minidnn import convert, nn

onnx = pytest.importorskip("onnx")

X = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
MODEL = nn.Sequential(nn.Dense(6, 40, "relu", name="hidden"), nn.Dense(40, 3, name="out"))


def beside(path, location="weights.data", **options):
    """The model as PyTorch's exporter saves it."""
    onnx.save_model(
        convert.to_onnx(MODEL), path, save_as_external_data=True, location=location, size_threshold=0, **options
    )
    return path


def changed(path, **entries):
    """The file with other entries for one tensor."""
    proto = onnx.load(path, load_external_data=False)
    tensor = proto.graph.initializer[0]
    known = {entry.key: entry for entry in tensor.external_data}
    for key, value in entries.items():
        entry = known.get(key) or tensor.external_data.add(key=key)
        entry.value = value
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_is_read_and_names_are_kept(tmp_path):
    whole = beside(tmp_path / "m.onnx")
    assert (tmp_path / "weights.data").stat().st_size >= 4 * (6 * 40 + 40 + 40 * 3 + 3)
    back = convert.from_onnx(whole)
    assert back(X).data.tobytes() == MODEL(X).data.tobytes()
    assert back.state_dict().keys() == MODEL.state_dict().keys()
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "weights.data").rename(inner / "weights.data")
    proto = onnx.load(whole, load_external_data=False)
    for tensor in proto.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = "inner/weights.data"
    whole.write_bytes(proto.SerializeToString())
    assert convert.from_onnx(whole)(X).data.tobytes() == MODEL(X).data.tobytes()


def test_external_data_needs_a_path(tmp_path):
    with pytest.raises(convert.ConversionError, match=r"external data, which needs the path .*; give the path"):
        convert.from_onnx(beside(tmp_path / "m.onnx").read_bytes())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "../secret"}, "must be within the folder"),
        ({"location": "a/../../secret"}, "must be within the folder"),
        ({"location": "/etc/passwd"}, "must be within the folder"),
        ({"location": "C:\\secret"}, "must be within the folder"),
        ({"location": "..\\secret"}, "must be within the folder"),
        ({"location": ""}, "must be within the folder"),
        ({"location": "link"}, "a link that leaves the folder"),
        ({"location": "folder"}, "must be a file"),
        ({"location": "none.data"}, r"there is no file 'none\.data' beside the model"),
        ({"offset": "-4"}, "its bytes are -4"),
        ({"offset": "1000000000000"}, "its bytes are"),
        ({"length": "99999999"}, "its bytes are 0 to 99999999 of a file"),
        ({"length": "x"}, "its offset or length is invalid"),
        ({"length": "8"}, "from_onnx"),
    ],
)
def test_locations_outside_the_folder_and_ranges_outside_the_file_are_refused(entries, message, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(10_000))
    folder = tmp_path / "models"
    (folder / "folder").mkdir(parents=True)
    os.symlink(tmp_path / "secret", folder / "link")
    with pytest.raises(convert.ConversionError, match=message):
        convert.from_onnx(changed(beside(folder / "m.onnx"), **entries))


def test_tensors_that_share_bytes_are_refused(tmp_path):
    path = beside(tmp_path / "m.onnx")
    proto = onnx.load(path, load_external_data=False)
    first = proto.graph.initializer[0]
    for i in range(50):
        copy = proto.graph.initializer.add()
        copy.CopyFrom(first)
        copy.name = f"again{i}"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(convert.ConversionError, match=r"tensors share bytes of weights\.data"):
        convert.from_onnx(path)
