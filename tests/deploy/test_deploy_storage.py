"""Files of compiled models are complete, small and reproducible; damaged and hostile files are refused."""

import json

import numpy as np
import pytest
from kit.deployed import FOLDED, UNFOLDED, X, plain, trained
from safetensors.numpy import load, save

from minidnn import deploy, nn
from minidnn.deploy import storage
from minidnn.models import CheckpointError

KEY = "minidnn-inference"


@pytest.mark.parametrize("name", [*UNFOLDED, *FOLDED])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_file_gives_the_same_model_and_the_same_bytes(tmp_path, name, dtype):
    model = trained((UNFOLDED | FOLDED)[name]())
    for sparse in (False, True):
        compiled = deploy.compile(model, dtype=dtype, sparse=sparse, calibration=X)
        compiled.save(tmp_path / "a.mdnn")
        again = deploy.load(tmp_path / "a.mdnn")
        assert again.predict(X).tobytes() == compiled.predict(X).tobytes()
        assert again.describe() == compiled.describe() and again.loss == compiled.loss
        again.save(tmp_path / "b.mdnn")
        assert (tmp_path / "a.mdnn").read_bytes() == (tmp_path / "b.mdnn").read_bytes()


@pytest.mark.parametrize(
    ("zeros", "dtype", "times"),
    [
        (0.0, "bfloat16", 1.9),
        (0.0, "int8", 3.8),
        (0.5, "float32", 1.5),
        (0.9, "float32", 7.0),
        (0.95, "float32", 13.0),
        (0.95, "bfloat16", 20.0),
        (0.95, "int8", 30.0),
    ],
)
def test_files_shrink_with_the_zeros_and_the_bytes(tmp_path, zeros, dtype, times):
    model = nn.Sequential(nn.Dense(784, 300, "relu"), nn.Dense(300, 100))
    rng = np.random.default_rng(1)
    deploy.compile(model, sparse=False).save(tmp_path / "dense.mdnn")
    for layer in model:
        layer.kernel.data[rng.random(layer.kernel.shape) < zeros] = 0
    x = rng.random((10, 784))
    for sparse in (True, False):  # a layer that runs dense is written without its zeros, too
        compiled = deploy.compile(model, sparse=sparse and zeros > 0, dtype=dtype, calibration=x)
        compiled.save(tmp_path / "small.mdnn")
        small, dense = ((tmp_path / name).stat().st_size for name in ("small.mdnn", "dense.mdnn"))
        assert dense > times * small
        assert compiled.nbytes <= small <= compiled.nbytes + 4096
        assert compiled.density == pytest.approx(1 - zeros, abs=0.01)
        again = deploy.load(tmp_path / "small.mdnn")
        assert again.predict(x).tobytes() == compiled.predict(x).tobytes()
        assert again.describe() == compiled.describe()


def test_columns_and_layers_without_any_weights(tmp_path):
    layer = nn.Dense(20, 4)
    layer.kernel.data[:, 1:] = 0
    model = nn.Sequential(layer, nn.Dense(4, 3))
    model.layers[1].kernel.data[...] = 0
    for dtype in ("float32", "int8"):
        compiled = deploy.compile(model, sparse=True, dtype=dtype, calibration=X)
        compiled.save(tmp_path / "a.mdnn")
        np.testing.assert_array_equal(deploy.load(tmp_path / "a.mdnn").predict(X), np.zeros((37, 3)))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.mdnn"
    deploy.compile(trained(plain()), sparse=True, dtype="int8", calibration=X).save(path)
    return path


def test_every_flipped_bit_is_noticed(file):
    content = file.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"load: .*a\.mdnn"):
            deploy.load(file)


def test_every_cut_is_noticed(file):
    content = file.read_bytes()
    for end in range(0, len(content), 97):
        file.write_bytes(content[:end])
        with pytest.raises(CheckpointError, match=r"load: .*a\.mdnn"):
            deploy.load(file)


def rewrite(path, change):
    """Changes the header and arrays of the file, with a valid checksum."""
    from safetensors import safe_open

    arrays = load(path.read_bytes())
    with safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()[KEY])
    change(header, arrays)
    header["sha256"] = storage._checksum(header, arrays)
    path.write_bytes(save(arrays, {KEY: json.dumps(header)}))


def put(header, place, **fields):
    header["stages"][place].update(fields)


HOSTILE = {
    "another kind": lambda h, a: put(h, 0, kind="os.system"),
    "a kind that is not a string": lambda h, a: put(h, 0, kind=["product"]),
    "an unknown activation": lambda h, a: put(h, 0, activation="exec"),
    "an activation that is not a string": lambda h, a: put(h, 0, activation={}),
    "a value of a later stage": lambda h, a: put(h, 0, source=1),
    "a value below 0": lambda h, a: put(h, 1, source=-1),
    "a value that is not a number": lambda h, a: put(h, 1, source="0"),
    "another target": lambda h, a: put(h, 1, target=7),
    "an extra field": lambda h, a: put(h, 0, hook="x"),
    "a missing field": lambda h, a: h["stages"][0].pop("alpha"),
    "alpha as text": lambda h, a: put(h, 0, alpha="1"),
    "alpha as NaN": lambda h, a: put(h, 0, alpha=float("nan")),
    "huge": lambda h, a: put(h, 0, n_out=1 << 40),
    "more inputs than sparse weights take": lambda h, a: (h.update(n_in=1 << 20), put(h, 0, n_in=1 << 20)),
    "no inputs": lambda h, a: h.update(n_in=0),
    "inputs as True": lambda h, a: h.update(n_in=True),
    "sparse with its zeros": lambda h, a: put(h, 0, thin=False),
    "sparse as a number": lambda h, a: put(h, 0, sparse=1),
    "dense with too few nonzeros": lambda h, a: (h.update(n_in=60000), put(h, 0, n_in=60000, sparse=False)),
    "another dtype": lambda h, a: put(h, 0, dtype="float64"),
    "float32 that is int8": lambda h, a: put(h, 0, dtype="float32"),
    "zero beyond a byte": lambda h, a: put(h, 0, zero=256),
    "a scale of 0": lambda h, a: put(h, 0, scale=0.0),
    "a stage that is a list": lambda h, a: h.update(stages=[[]]),
    "stages that are a number": lambda h, a: h.update(stages=3),
    "a loss that is text": lambda h, a: h.update(loss="none"),
    "another version": lambda h, a: h.update(version=2),
    "gaps beyond the rows": lambda h, a: a.update({"0.gaps": np.full_like(a["0.gaps"], 20)}),
    "gaps of 0": lambda h, a: a.update({"0.gaps": np.zeros_like(a["0.gaps"])}),
    "too few gaps": lambda h, a: a.update({"0.gaps": a["0.gaps"][1:]}),
    "counts that do not add up": lambda h, a: a.update({"0.counts": a["0.counts"] + 1}),
    "counts beyond the rows": lambda h, a: a.update({"0.counts": a["0.counts"].astype(np.uint64) + (1 << 40)}),
    "signed counts": lambda h, a: a.update({"0.counts": a["0.counts"].astype(np.int16)}),
    "scales that are not finite": lambda h, a: a.update({"0.scales": a["0.scales"] * np.inf}),
    "biases of another shape": lambda h, a: a.update({"0.bias": a["0.bias"][:3]}),
    "a byte of -128": lambda h, a: a.update({"0.values": np.full_like(a["0.values"], -128)}),
    "an extra array": lambda h, a: a.update({"9.values": np.zeros(3)}),
    "a missing array": lambda h, a: a.pop("0.bias"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(file, name):
    rewrite(file, HOSTILE[name])
    with pytest.raises(CheckpointError, match=r"load: .*a\.mdnn is invalid as a compiled model: "):
        deploy.load(file)


def test_a_file_that_is_rewritten_unchanged_is_loaded(file):
    rewrite(file, lambda header, arrays: None)
    deploy.load(file)


def test_concatenations_cannot_grow_without_limit(tmp_path):
    model = nn.SkipConcat(nn.Dense(20, 20))
    deploy.compile(model).save(tmp_path / "a.mdnn")

    def grow(header, arrays):
        for i in range(2, 70):
            concat = dict(header["stages"][1], source=i, other=i, target=i + 1)
            header["stages"].append(concat)

    rewrite(tmp_path / "a.mdnn", grow)
    with pytest.raises(CheckpointError, match="is not in"):
        deploy.load(tmp_path / "a.mdnn")


def test_the_memory_of_a_run_is_bounded_by_the_size_of_the_file(tmp_path):
    path = tmp_path / "a.mdnn"
    deploy.compile(nn.SkipConcat(nn.Dense(20, 20))).save(path)

    def grow(header, arrays):
        header["stages"][1:] = [
            {"kind": "concat", "source": i, "other": i, "target": i + 1, "name": "x"} for i in range(1, 20)
        ]

    rewrite(path, grow)
    with pytest.raises(CheckpointError, match=r"more values than its \d+ bytes allow"):
        deploy.load(path)


def test_other_and_missing_files_are_refused(tmp_path):
    import minidnn

    minidnn.save(plain(), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"holds no compiled model; minidnn\.load reads"):
        deploy.load(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError):
        deploy.load(tmp_path / "none.mdnn")


def test_a_failed_save_leaves_the_old_file(file, monkeypatch):
    before = file.read_bytes()
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        deploy.compile(plain()).save(file)
    assert file.read_bytes() == before and len(list(file.parent.iterdir())) == 1
