"""Models in files: round trips, damaged files, and writes that never lose the old file."""

import json
import os
import stat

import numpy as np
import pytest
from kit.every_layer import EVERY_LAYER, OTHERS
from safetensors.numpy import save as to_bytes

import minidnn
from minidnn import data, deploy, files, models, nn
from minidnn.models import CheckpointError, registry
from minidnn.pretraining import auxiliary


def network():
    minidnn.manual_seed(3)
    return nn.Sequential(nn.Dense(6, 5, "relu", name="hidden1"), nn.Dropout(0.5), nn.Dense(5, 3, name="outputs"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_every_layer_of_the_registry_makes_the_round_trip(path):
    model = nn.Sequential(*EVERY_LAYER)
    minidnn.save(model, path)
    loaded = minidnn.load(path)
    assert repr(loaded) == repr(model)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, array in loaded.state_dict().items():
        assert array.tobytes() == model.state_dict()[name].tobytes()
    x = minidnn.Generator(1).normal((4, 6))
    assert not loaded.training
    assert loaded(x).data.tobytes() == model.eval()(x).data.tobytes()


@pytest.mark.parametrize(("model", "x"), OTHERS, ids=repr)
def test_layers_of_other_inputs_make_the_round_trip(path, model, x):
    minidnn.save(model, path)
    loaded = minidnn.load(path)
    assert repr(loaded) == repr(model)
    y, expected = loaded(x), model.eval()(x)
    pairs = zip(y, expected, strict=True) if isinstance(y, tuple) else [(y, expected)]
    assert all(a.data.tobytes() == b.data.tobytes() for a, b in pairs)


def test_the_rows_above_hold_every_layer_and_value():
    seen = set()

    def visit(part):
        if isinstance(part, dict):
            seen.add(part.get("type"))
            part = list(part.values())
        if isinstance(part, list):
            for item in part:
                visit(item)

    visit(registry.describe(nn.Sequential(*EVERY_LAYER, *(model for model, _ in OTHERS))))
    assert seen - {None} == {*registry.LAYERS, *registry.VALUES}
    public = {
        name
        for package in (nn, auxiliary)
        for name in package.__all__
        if isinstance(value := getattr(package, name), type) and issubclass(value, nn.Module)
    }
    assert (public - {"Module"}) | {"Autoencoder", "RBM"} == set(registry.LAYERS)


def test_a_loaded_model_can_be_trained(path):
    minidnn.save(network(), path)
    model = minidnn.load(path)
    before = model.state_dict()
    optimizer = minidnn.optim.SGD(model.parameters(), 0.1)
    nn.softmax_cross_entropy(model(np.ones((2, 6), np.float32)), [0, 1]).backward()
    optimizer.step()
    assert not np.array_equal(before["outputs.kernel"], model.get_parameter("outputs.kernel").data)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in "ab":
        minidnn.save(network(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_weights_alone_go_into_a_model(path):
    class Own(nn.Module):
        def __init__(self):
            self.inner = nn.Dense(3, 2)

    minidnn.save(Own(), path, architecture=False)
    model = Own()
    assert minidnn.load(path, into=model) is model
    with pytest.raises(CheckpointError, match=r"model\.safetensors holds only weights"):
        minidnn.load(path)


def test_a_model_that_no_file_can_describe_is_refused(path):
    with pytest.raises(ValueError, match=r"the model\.layers\[0\]\.activation.*architecture=False"):
        minidnn.save(nn.Sequential(nn.Dense(3, 2, minidnn.ops.relu)), path)

    class Dense(nn.Dense):
        """A user-defined layer with the name of one of the package."""

    with pytest.raises(ValueError, match=r"the model\.layers\[0\] is"):
        minidnn.save(nn.Sequential(Dense(3, 2)), path)
    assert not path.exists()


def test_a_mismatch_lists_everything(path):
    minidnn.save(network(), path)
    other = nn.Sequential(nn.Dense(6, 4, name="hidden1"), nn.Dense(4, 3, name="top"))
    with pytest.raises(CheckpointError) as error:
        minidnn.load(path, into=other)
    for part in (
        "missing top.kernel",
        "unexpected outputs.kernel",
        "hidden1.kernel has shape (6, 5), must have (6, 4)",
    ):
        assert part in str(error.value)
    assert str(path) in str(error.value)


def write(path, architecture, tensors=None, **header):
    """A file with this architecture, or with this string as header."""
    if not isinstance(architecture, str):
        architecture = json.dumps({"version": 1, "architecture": architecture} | header)
    path.write_bytes(to_bytes(tensors or {}, {"minidnn": architecture}))


def dense(**replaced):
    return {"type": "Dense", "n_in": 2, "n_out": 2} | replaced


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("{", "is invalid"),
        ("[" * 10_000, "is invalid"),
        ("[]", "is invalid: it is a list"),
        ('{"version": 2}', "is of version 2, this release of minidnn reads version 1"),
        (3, "is not a layer"),
        ([], "is not a layer"),
        ({"type": "l1", "scale": 0.1}, "is not a layer"),
        ({"type": "os.system"}, "type 'os.system', which minidnn does not know"),
        ({"type": ["Dense"]}, "does not know"),
        ({}, "type None"),
        (dense(n_in=0), "n_in must be at least 1"),
        (dense(n_in="2"), "n_in must be an integer"),
        (dense(n_in=2, colour="red"), "colour"),
        (dense(activation="exec"), "activation must be one of"),
        (dense(n_in=10**9, n_out=10**9), "cannot be built|does not fit"),
        (dense(n_in=10**6, n_out=10**6), r"does not fit.*must have \(1000000, 1000000\)"),
        (dense(n_in=10**400), "cannot be built"),
        ({"type": "PReLU", "n_in": 10**12}, "does not fit"),
        ({"type": "Dropout", "rate": float("nan")}, "rate must be"),
        ({"type": "Sequential", "layers": 5}, "cannot be built"),
        ({"type": "Sequential", "layers": ["Dense"]}, "layer 0 is a str"),
    ],
)
def test_an_invalid_architecture_is_refused(path, architecture, message):
    write(path, architecture, {"kernel": np.zeros((2, 2), np.float32), "bias": np.zeros(2, np.float32)})
    with pytest.raises(CheckpointError, match=message) as error:
        minidnn.load(path)
    assert str(path) in str(error.value)


def test_layers_nested_too_deep_are_refused(path):
    description = {"type": "ReLU"}
    for _ in range(registry.DEEPEST + 1):
        description = {"type": "Residual", "block": description}
    write(path, description)
    with pytest.raises(CheckpointError, match="deep"):
        minidnn.load(path)


def test_other_dtypes_are_refused(path):
    write(path, dense(), {"kernel": np.zeros((2, 2), np.int32), "bias": np.zeros(2, np.float32)})
    with pytest.raises(CheckpointError, match="kernel is int32, must be floating"):
        minidnn.load(path)


def test_a_file_cut_anywhere_is_refused(path):
    minidnn.save(network(), path)
    whole = path.read_bytes()
    for length in [*range(64), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"not a whole \.safetensors file"):
            minidnn.load(path)


def test_missing_files_raise_pythons_errors(path):
    with pytest.raises(FileNotFoundError):
        minidnn.load(path)
    with pytest.raises(FileNotFoundError):
        minidnn.save(network(), path / "in no folder")


# Writing


def test_the_old_file_keeps_its_mode_and_a_new_one_follows_the_umask(path):
    files.atomic_write(path, b"one")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    files.atomic_write(path, b"two")
    assert path.read_bytes() == b"two" and stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(path, monkeypatch, call):
    minidnn.save(network(), path)
    before = path.read_bytes()

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(OSError, match="No space"):
        minidnn.save(nn.Sequential(nn.ReLU()), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_content_is_synced_before_the_name_is_given(path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1])
    files.atomic_write(path, b"x")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_file_stores_the_meaning_of_inputs_and_outputs(tmp_path):
    path, model = tmp_path / "model.safetensors", nn.Sequential(nn.Dense(2, 2))
    meaning = data.Meaning("classification", "y", ("a", "\x1b[31mb"), ("u", "v"), (data.Column("u"), data.Column("v")))
    minidnn.save(model, path, meaning=meaning)
    assert models.read_meaning(path) == meaning and minidnn.load(path).state_dict().keys() == model.state_dict().keys()
    compiled = deploy.compile(model)
    compiled.meaning = meaning
    compiled.save(tmp_path / "model.mdnn")
    assert models.read_meaning(tmp_path / "model.mdnn") == meaning == deploy.load(tmp_path / "model.mdnn").meaning
    minidnn.save(model, path)
    assert models.read_meaning(path) == data.Meaning()
    content = path.read_bytes()
    minidnn.save(model, path, meaning=data.Meaning())
    path.write_bytes(path.read_bytes().replace(b'\\"meaning\\": {}', b'\\"meaning\\": []'))
    assert path.read_bytes() != content
    with pytest.raises(models.CheckpointError, match=r"the meaning in .* is invalid"):
        models.read_meaning(path)
