"""Files keep their place, kind and mode; a file that changes while it is read is an error."""

import os
import stat
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import minidnn
from minidnn import convert, data, deploy, files, nn, optim, plot, training
from minidnn.cli.models import open_model
from minidnn.data import load_idx, save_idx
from minidnn.locks import locked
from minidnn.models import CheckpointError, read_meaning

MODEL = nn.Sequential(nn.Dense(3, 2, "relu"), nn.Dense(2, 2))
posix = pytest.mark.skipif(os.name != "posix", reason="of POSIX")


def compiled(path):
    deploy.compile(MODEL).save(path)


def pictured(path):
    pytest.importorskip("matplotlib")
    plot.lines({"a": ([0, 1], [1, 2])}, path, "x", "y")


WRITERS = {
    "model.safetensors": (lambda path: minidnn.save(MODEL, path), minidnn.load),
    "compiled.safetensors": (compiled, deploy.load),
    "array.idx": (lambda path: save_idx(path, np.arange(6, dtype=np.uint8)), load_idx),
    "array.idx.gz": (lambda path: save_idx(path, np.arange(6, dtype=np.uint8)), load_idx),
    "picture.png": (pictured, None),
}


@pytest.fixture(params=WRITERS)
def kind(request):
    return request.param, *WRITERS[request.param]


@posix
def test_a_device_is_not_replaced_by_a_file(kind, tmp_path):
    name, write, _ = kind
    link = tmp_path / name  # its suffix determines the format
    link.symlink_to("/dev/null")
    write(link)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and link.is_symlink()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@posix
def test_a_fifo_is_written_through(kind, tmp_path):
    name, write, _ = kind
    whole, fifo = tmp_path / f"whole-{name}", tmp_path / name
    write(whole)
    os.mkfifo(fifo)
    got = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    write(fifo)
    reader.join()
    assert got == [whole.read_bytes()] and stat.S_ISFIFO(os.stat(fifo).st_mode)


@posix
def test_a_link_is_followed(kind, tmp_path):
    name, write, _ = kind
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / name, tmp_path / name
    link.symlink_to(target)
    write(link)  # also if the file does not exist yet
    assert link.is_symlink() and target.stat().st_size
    write(link)
    assert link.is_symlink() and [path.name for path in target.parent.iterdir()] == [name]


@posix
@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("piped", [True, False])
def test_standard_output_is_a_file_like_others(target, piped, tmp_path):
    if not os.path.exists(target):
        pytest.skip(f"there is no {target}")
    code = f"from minidnn.files import atomic_write; atomic_write({target!r}, b'content')"
    with open(tmp_path / "out", "wb") as out:
        done = subprocess.run([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE if piped else out, check=True)
    assert (done.stdout if piped else (tmp_path / "out").read_bytes()) == b"content"


@pytest.mark.parametrize("length", [1, 100, 255])
def test_a_name_of_any_length(length, tmp_path):
    path = tmp_path / ("n" * length)
    for content in (b"one", b"two"):
        files.atomic_write(path, content)
        assert path.read_bytes() == content
    with pytest.raises(OSError, match="File name too long"):
        files.atomic_write(tmp_path / ("n" * 256), b"")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
@pytest.mark.parametrize("old", [None, 0o600, 0o640, 0o444, 0o664])
def test_modes_follow_the_umask_or_the_old_file_and_the_umask_is_not_touched(umask, old, tmp_path, monkeypatch):
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(b"")
        path.chmod(old)
    before = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", None)
            files.atomic_write(path, b"content")
    finally:
        assert os.umask(before) == umask
    assert stat.S_IMODE(path.stat().st_mode) == (0o666 & ~umask if old is None else old)


@posix
def test_the_content_is_never_readable_by_more_than_the_old_file(tmp_path, monkeypatch):
    path, seen = tmp_path / "secret", []
    path.write_bytes(b"")
    path.chmod(0o600)
    real = os.fsync

    def look(handle):
        seen.extend(stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir())
        real(handle)

    monkeypatch.setattr(files.os, "fsync", look)
    files.atomic_write(path, b"content")
    assert set(seen) == {0o600}


@posix
def test_the_sweep_touches_its_own_files_alone(tmp_path):
    others = {
        ".file.tmp": b"of an editor",
        ".file.abc.tmp": b"of another program",
        ".minidnn-xyz.tmp": b"nearly",
        ".minidnn-0123456789abcdef.tmp.bak": b"a copy",
        "minidnn-0123456789abcdef.tmp": b"seen",
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / ".minidnn-00000000000000aa.tmp").symlink_to(tmp_path / ".file.tmp")
    os.mkfifo(tmp_path / ".minidnn-00000000000000bb.tmp")
    (tmp_path / ".minidnn-00000000000000cc.tmp").mkdir()
    (tmp_path / ".minidnn-00000000000000dd.tmp").write_bytes(b"left by a killed writer")
    before = {entry.name for entry in tmp_path.iterdir()}
    files.atomic_write(tmp_path / "file", b"content")
    assert {entry.name for entry in tmp_path.iterdir()} == before - {".minidnn-00000000000000dd.tmp"} | {"file"}
    assert all((tmp_path / name).read_bytes() == content for name, content in others.items())


@posix
def test_waiting_for_a_lock_is_logged(tmp_path, caplog):
    path, inside, held = tmp_path / "lock", threading.Event(), []

    def second():
        with locked(path):
            held.append("second")

    with locked(path):
        waiting = threading.Thread(target=second)
        waiting.start()
        while not caplog.records:
            inside.wait(0.001)
        assert not held
    waiting.join()
    assert held == ["second"]
    assert caplog.messages == [f"waiting for {path}, which another process or thread has locked"]


# Files that change


def trained(folder, resume=None):
    x = data.ArrayDataset(np.zeros((4, 3), np.uint8), np.zeros(4, int))
    optimizer = optim.SGD(MODEL.parameters(), 0.1)
    options = {"epochs": 1, "batch_size": 2, "progress": False, "callbacks": [training.Checkpoint(folder)]}
    training.fit(MODEL, x, optimizer=optimizer, resume=resume, **options)


READERS = {
    "load": (lambda path: minidnn.save(MODEL, path), minidnn.load),
    "into": (lambda path: minidnn.save(MODEL, path), lambda path: minidnn.load(path, into=MODEL)),
    "converter": (lambda path: minidnn.save(MODEL, path), lambda path: convert.from_safetensors(path, MODEL)),
    "compiled": (compiled, deploy.load),
    "checkpoint": (lambda path: trained(path.parent), lambda path: trained(path.parent, path.parent)),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_file_cut_while_it_is_read_is_an_error(reader, tmp_path, monkeypatch):
    """A mapped file would end the process (SIGBUS), so a copy of its bytes is parsed."""
    import safetensors

    path, (write, read) = tmp_path / "checkpoint-0000000002.safetensors", READERS[reader]
    write(path)

    def mapped(*arguments, **options):
        raise AssertionError("the file is mapped")

    monkeypatch.setattr(safetensors, "safe_open", mapped)
    read(path)
    content = path.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises((CheckpointError, training.ResumeError)):
            read(path)


def test_memory_is_a_small_multiple_of_a_model_file(tmp_path):
    path = tmp_path / "model.safetensors"
    minidnn.save(nn.Dense(1000, 1000), path)
    minidnn.load(path)
    tracemalloc.start()
    minidnn.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * path.stat().st_size


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom"])
def test_an_endless_device_is_refused(path):
    """Reading to the end would exhaust the memory; the limit protects other processes."""
    script = f"""
import resource
import minidnn
from minidnn.models import CheckpointError, read_meaning
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
try:
    minidnn.load({path!r})
except CheckpointError:
    raise SystemExit(0)
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@posix
def test_a_model_is_read_from_a_fifo(tmp_path):
    minidnn.save(nn.Sequential(nn.Dense(2, 2, name="outputs")), tmp_path / "model")
    os.mkfifo(tmp_path / "fifo")
    writer = threading.Thread(target=lambda: (tmp_path / "fifo").write_bytes((tmp_path / "model").read_bytes()))
    writer.start()
    read = minidnn.load(tmp_path / "fifo")
    writer.join()
    assert read[0].kernel.shape == (2, 2)


@pytest.mark.parametrize("read", [minidnn.load, read_meaning, lambda path: open_model(path).n_in, deploy.load])
@posix
@pytest.mark.compiled
def test_a_fifo_is_opened_once(read, tmp_path):
    """A second open would block for ever, and two opens of a path may read two different files."""
    model = nn.Sequential(nn.Dense(2, 2, name="outputs"))
    content = tmp_path / "model"
    deploy.compile(model).save(content) if read is deploy.load else minidnn.save(model, content)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    opened = []
    writer = threading.Thread(target=lambda: (fifo.write_bytes(content.read_bytes()), opened.append(1)), daemon=True)
    reader = threading.Thread(target=lambda: (read(fifo), opened.append(2)), daemon=True)
    writer.start()
    reader.start()
    for thread in (reader, writer):
        thread.join(30)
    assert sorted(opened) == [1, 2]


def test_a_path_that_ends_with_a_slash_is_refused(tmp_path):
    model = nn.Sequential(nn.Dense(2, 2, name="outputs"))
    minidnn.save(model, tmp_path / "model")
    for call in (minidnn.load, read_meaning, open_model, deploy.load, lambda path: minidnn.save(model, path)):
        with pytest.raises(IsADirectoryError, match="must not end with a slash"):
            call(f"{tmp_path}/model/")
    for path in (f"{tmp_path}/model/", f"{tmp_path}/new/"):
        with pytest.raises(IsADirectoryError, match="must not end with a slash"):
            minidnn.save(model, path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
