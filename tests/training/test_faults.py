"""Full disks, deleted folders, and processes killed in the middle of a call."""

import os
import resource
import shutil

import faults
import numpy as np
import pytest
from kit import preload

import minidnn
from minidnn import data, files, nn, optim, training

TRAIN = data.ArrayDataset(np.arange(40, dtype=np.uint8).reshape(20, 2), np.arange(20) % 2)


@pytest.mark.skipif(preload.hindrance() is not None, reason=str(preload.hindrance()))
def test_a_kill_or_an_error_at_any_call_loses_nothing():
    """The short form; the long one is ``python tests/faults.py``."""
    report = faults.preloaded(steps=4, errors=1)
    assert report["kills survived"] == report["errors survived"] == sum(report["calls"].values())
    # For each of 4 checkpoints and the model, which alone replaces another; open, write and unlink for the lock, too.
    assert report["calls"] == {"open": 6, "write": 6, "fsync": 10, "chmod": 1, "rename": 5, "unlink": 3}


class After(training.Callback):
    """Calls a function after a step."""

    observer = True

    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_step_end(self, run):
        if run.step == self.step:
            self.act()


def train(folder, checkpoint, act=lambda: None, resume=False, size=30):
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(2, size, "relu"), nn.Dense(size, 2))
    options = {"optimizer": optim.Adam(model.parameters()), "batch_size": 5, "epochs": 3, "progress": False}
    try:
        training.fit(model, TRAIN, callbacks=[After(5, act), checkpoint], resume=folder if resume else None, **options)
    except OSError as error:
        return model, error
    return model, None


def survives(folder, act, undo, errors, size=30):
    """A run whose disk fails after step 5 ends with a clear error, and continues once the disk works again."""
    whole, error = train(folder / "whole", training.Checkpoint(folder / "whole", every=1), size=size)
    assert error is None
    checkpoint = training.Checkpoint(folder / "own", every=1)
    _, error = train(folder / "own", checkpoint, act, size=size)
    undo()
    assert isinstance(error, errors)
    assert str(folder / "own" / "checkpoint-0000000005.safetensors") in str(error) and "retry()" in str(error)
    checkpoint.retry()
    checkpoint.retry()  # the run is complete
    model, error = train(folder / "own", checkpoint, resume=True, size=size)
    assert error is None
    assert {k: v.tobytes() for k, v in model.state_dict().items()} == {
        k: v.tobytes() for k, v in whole.state_dict().items()
    }


def test_a_file_that_may_grow_no_further(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))

    try:
        survives(tmp_path, lambda: limit(50_000), lambda: limit(soft), OSError, size=10_000)
    finally:
        limit(soft)


def test_a_folder_that_vanished(tmp_path):
    survives(tmp_path, lambda: shutil.rmtree(tmp_path / "own"), lambda: None, FileNotFoundError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_became_read_only(tmp_path):
    folder = tmp_path / "own"
    survives(tmp_path, lambda: folder.chmod(0o500), lambda: folder.chmod(0o700), PermissionError)


def test_temporary_files_of_running_processes_are_kept(tmp_path):
    path = tmp_path / "file"
    stale, other = tmp_path / ".minidnn-0123456789abcdef.tmp", tmp_path / ".file.abc.tmp"
    for left in (stale, other):
        left.write_bytes(b"half")
    handle, name = files._temporary(path)
    files.atomic_write(path, b"whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["file", os.path.basename(name), other.name])
    os.close(handle)
    files.atomic_write(path, b"whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [other.name, "file"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    files.atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes() == b"new"


def test_a_changed_byte_in_a_model_is_noticed(tmp_path):
    path = tmp_path / "model.safetensors"
    minidnn.save(nn.Dense(3, 2), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for into in (None, nn.Dense(3, 2)):
        with pytest.raises(minidnn.models.CheckpointError, match="its checksum differs"):
            minidnn.load(path, into=into)
