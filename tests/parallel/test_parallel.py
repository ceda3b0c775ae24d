"""Training on several ranks, started by mpiexec."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig

import kill_ranks
import parallel_runs
import pytest
from kit import TESTS

from minidnn.parallel import launching, watching

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))

pytestmark = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason='needs mpi4py and mpiexec: pip install "minidnn[mpi]"',
)


def start(ranks, *arguments, check=True):
    """Runs Python with these arguments on several ranks, one thread each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [MPIEXEC, "-n", str(ranks), sys.executable, "-P", "-m", "mpi4py", *map(str, arguments)],
        env=environment, cwd=TESTS, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(f"import sys; sys.path.insert(0, {str(TESTS)!r})\nimport parallel_runs\n{text}")
    return path


@pytest.fixture(scope="module")
def alone():
    """The result of each run without mpiexec."""
    return {name: parallel_runs.run(name) for name in parallel_runs.RUNS}


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_same_bytes_for_any_number_of_ranks(tmp_path, alone, ranks):
    start(ranks, "parallel_runs.py", tmp_path / "result")
    assert json.loads((tmp_path / "result").read_text()) == [alone] * ranks


def test_world_folds_gathers_and_decides(tmp_path):
    path = script(
        tmp_path,
        """
import numpy as np
from minidnn.parallel import world
here = world()
# 1e8 + 1 = 1e8 in float32: the result depends on the order
parts = np.array([[1, 2], [1e8, 3], [-1e8, 4], [1, 5]], np.float32).repeat(2, axis=1)
array = parts[here.rank].copy()
here.fold(array)
assert array.tolist() == [0, 0, 14, 14], array
assert here.gather(here.rank) == [0, 1, 2, 3]
assert here.first(lambda: "of " + str(here.rank)) == "of 0"
assert here.decided(here.rank == 0) and not here.decided(here.rank != 0)
for inside in (lambda: here.first(lambda: 1 / 0), lambda: 1 / (here.rank - 2)):
    try:
        with here.together():
            inside()
    except ZeroDivisionError:
        print("raised")
""",
    )
    assert start(4, path).stdout.count("raised") == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("options['train'] = x[:, ::-1] if rank else x, y", "data is 64 examples with checksum"),
        ("options['optimizer'].lr = 0.1 + rank", "lr is 0.1 on rank 0 and 1.1 on rank 1"),
        ("model.layers[0].bias.data[...] = rank", "model.0.bias is float32(2,) with checksum"),
    ],
)
def test_differences_between_ranks_are_refused(tmp_path, change, message):
    path = script(
        tmp_path,
        f"""
import numpy as np
from minidnn import nn, optim, training
from minidnn.parallel import world
rank = world().rank
x, y = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32), np.zeros(64, int)
model = nn.Sequential(nn.Dense(3, 2))
options = dict(train=(x, y), optimizer=optim.SGD(model.parameters(), lr=0.1))
{change}
try:
    training.fit(model, epochs=1, batch_size=16, shards=4, progress=False, **options)
except ValueError as error:
    print(error)
""",
    )
    output = start(2, path).stdout
    assert output.count(message) == output.count("must be the same on all") == 2, output


def test_three_ranks_do_not_divide_the_shards(tmp_path):
    path = script(
        tmp_path,
        """
from minidnn.parallel import world
try:
    parallel_runs.run("notebook")
except ValueError as error:
    if world().rank == 2:
        print(error)
""",
    )
    assert "fit: ranks is 3, must divide shards=4" in start(3, path).stdout


def test_loss_that_is_not_finite_on_one_rank_is_an_error_on_all(tmp_path):
    path = script(
        tmp_path,
        """
import numpy as np
from minidnn import nn, optim, training
x = np.ones((16, 3), np.float32)
x[5] = 3e38  # finite, but the sum of three is not
model = nn.Sequential(nn.Dense(3, 2, kernel_initializer="ones"))
before = model.state_dict()
try:
    training.fit(model, (x, np.zeros(16, int)), loss=nn.softmax_cross_entropy, epochs=1, batch_size=16, shards=4,
                 optimizer=optim.SGD(model.parameters(), lr=0.1), progress=False)
except training.NonFiniteError as error:
    print(error)
assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
""",
    )
    output = start(2, path).stdout
    assert output.count("the loss of step 1 (epoch 1) is nan: the output of dense in layer 0 has") == 2, output


@pytest.mark.parametrize("runner", [(), ("-m", "mpi4py")])
def test_exception_on_one_rank_ends_all(tmp_path, runner):
    path = script(
        tmp_path,
        """
from minidnn import training
from minidnn.parallel import world

class Fails(training.Callback):
    def on_step_end(self, run):
        if run.step == 3 and run.world.rank == 1:
            raise OSError("the disk of this rank is full")

import minidnn
minidnn.manual_seed(7)
parallel_runs.notebook(callbacks=[Fails()])
""",
    )
    done = subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, *runner, str(path)], env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.count("OSError: the disk of this rank is full") == 1


def test_lost_ranks_and_a_resumed_run_give_the_same_bytes(tmp_path):
    """4 ranks until one is killed, then 2 until one is killed, then 1."""
    path = script(
        tmp_path,
        f"""
import json, os, signal
import minidnn
from minidnn import training
from minidnn.parallel import world

class Dies(training.Callback):
    observer = True
    def on_step_end(self, run):
        if run.step == int(sys.argv[1]) and run.world.rank == run.world.size - 1:
            os.kill(os.getpid(), signal.SIGKILL)

minidnn.manual_seed(7)
folder = {str(tmp_path / "checkpoints")!r}
callbacks = [training.EarlyStopping(100, every=3), Dies(), training.Checkpoint(folder, every=2)]
fit = training.fit
training.fit = lambda *a, **o: fit(*a, **o | dict(callbacks=callbacks))
result = parallel_runs.summary(*parallel_runs.everything(epochs=3, resume=folder))
if world().rank == 0:
    print(json.dumps(result))
""",
    )
    for ranks, step in ((4, 4), (2, 7)):
        assert start(ranks, path, step, check=False).returncode != 0
    result = json.loads(start(1, path, 0).stdout)
    assert result == parallel_runs.run("everything", epochs=3)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
def test_launcher_restarts_after_killed_ranks_with_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(kill_ranks.command(whole, 1, 10), check=True, stdout=subprocess.DEVNULL)
    lost, code = kill_ranks.train_with_kills(killed, 2, 10, 2, random.Random(1))
    assert (lost > 0, code) == (True, 0)
    assert kill_ranks.model_of(killed) == kill_ranks.model_of(whole)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks' parent in /proc")
@pytest.mark.parametrize("killed", ["proxy", "mpiexec"])
def test_ranks_end_when_their_launcher_was_killed(tmp_path, killed):
    path = script(
        tmp_path,
        """
import json, os, threading
from minidnn.parallel import world
here = world()
processes = here.gather((os.getpid(), os.getppid()))
if here.rank == 0:
    print(json.dumps(processes), flush=True)
threading.Event().wait()
""",
    )
    process = subprocess.Popen(
        [MPIEXEC, "-n", "2", sys.executable, "-P", "-m", "mpi4py", str(path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    pairs = json.loads(process.stdout.readline())
    watches = [os.pidfd_open(rank) for rank, _ in pairs]
    os.kill(pairs[0][1] if killed == "proxy" else process.pid, signal.SIGKILL)
    try:
        for watch in watches:
            assert select.select([watch], [], [], 20)[0], "a rank outlived its launcher"
    finally:
        for watch in watches:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(watch, signal.SIGKILL)
            os.close(watch)
        process.kill()
        process.communicate()


def minidnn_train(*arguments, folder=None):
    return subprocess.run(
        [sys.executable, "-P", "-m", "minidnn", "train", *map(str, arguments)],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ranks", "2"], "--ranks 2 needs --shards, such as --shards 8"),
        (["--ranks", "3", "--shards", "8"], "--ranks is 3, must be a power of two that divides --shards 8"),
        (["--ranks", "2", "--shards", "8", "--threads", "1000"], "must be at most the"),
        (
            ["--ranks", "4", "--shards", "8", "--hosts", "a:1,b:1", "--threads", "1"],
            "must be at most the sum over --hosts",
        ),
        (["--hosts", "a:1"], "--hosts needs --ranks"),
    ],
)
def test_launcher_refuses(tmp_path, arguments, message):
    done = minidnn_train("--data", "digits", "--output", tmp_path / "out", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_launcher_shows_an_error_of_the_ranks_once(tmp_path):
    done = minidnn_train("--data", "digits", "--output", tmp_path, "--ranks", 2, "--shards", 8, "--threads", 1,
                         "--oversubscribe", "--batch-size", 50)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "minidnn train: fit: batch_size is 50, must be a multiple of shards=8; give batch_size=48\n"


def test_ranks_import_what_the_launcher_imported(tmp_path):
    folder = tmp_path / "minidnn"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('the folder, not the package')\n")
    options = "--data digits --shards 8 --ranks 2 --threads 1 --oversubscribe --epochs 1 --batch-size 64 --output out"
    done = minidnn_train(*options.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_filter_drops_the_text_of_mpiexec_and_parses_it():
    source = io.StringIO(
        "epoch 1\n\n"
        + "=" * 83
        + "\n=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   PID 7 RUNNING AT far\n"
        "=   EXIT CODE: 9\nYOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)\n\nepoch 2\n"
        "minidnn train: no\nminidnn train: no\n"
    )
    target = io.StringIO()
    one = launching.Filter(source, target)
    one.join()
    assert (one.signal, one.ending, one.host, one.gone) == (9, 9, "far", None)
    assert target.getvalue() == "epoch 1\n\nepoch 2\nminidnn train: no\n"


def test_filter_keeps_the_name_of_a_host_that_is_gone():
    target = io.StringIO()
    one = launching.Filter(io.StringIO(f"epoch 1\n{watching.GONE}far\nepoch 2\n"), target)
    one.join()
    assert one.gone == "far" and target.getvalue() == "epoch 1\nepoch 2\n"


@pytest.mark.parametrize(
    ("host", "gone", "left"),
    [
        ("a", False, {"a": 1, "b": 2}),
        ("a", True, {"b": 2}),
        ("elsewhere", True, {"a": 2, "b": 2}),
        (None, False, {"a": 2, "b": 2}),
    ],
)
def test_hosts_without_the_lost_ranks(host, gone, left):
    ended = launching.Ended(9, signal.SIGKILL, host, gone)
    assert launching._without({"a": 2, "b": 2}, ended) == left


def test_only_ranks_with_the_token_watch_a_host():
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    stranger = watching._connected("127.0.0.1", port, "wrong elsewhere\n")
    known = watching._connected("127.0.0.1", port, "right far\n")
    watched = watching._accepted(listener, 1, "right")
    assert list(watched.values()) == ["far"]
    assert stranger.recv(1) == b""  # closed
    stranger.close()
    known.close()
    watching._end_without(watched)  # returns, since a closed connection does not mean that the host is gone


def test_a_host_that_cannot_be_watched_is_reported(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert watching._connected("127.0.0.1", port, "") is None
    assert capsys.readouterr().err.startswith("minidnn: host 127.0.0.1 cannot be watched: ")


def test_a_closed_output_ends_the_ranks(tmp_path):
    options = "--data digits --shards 8 --ranks 2 --threads 1 --oversubscribe --epochs 100000 --batch-size 64"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "minidnn", "train", *options.split(), "--output", tmp_path],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=100) == 141
