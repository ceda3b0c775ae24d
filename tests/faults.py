"""Kills a training run at every call that changes a file, in turn, and lets every such call fail; `test_faults.py`.

    python tests/faults.py [--steps 12] [--errors 3]

A run is a forked child. `native/faults.c`, preloaded, counts the calls (open, write, fsync, chmod, rename, unlink) and
strikes at one of them: by SIGKILL in the middle of the call, or by an error. After a kill another child resumes, and
the bytes of the final model must be those of a run that nothing happened to; after an error the state must still be in
memory, older files whole, and the run must go on once the disk works again.
"""

import argparse
import ctypes
import errno
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
from kit import preload

import minidnn
from minidnn import data, nn, optim, training

KINDS = ("open", "write", "fsync", "chmod", "rename", "unlink")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)
RNG = np.random.default_rng(1)
TRAIN = data.ArrayDataset(RNG.integers(0, 256, (40, 12), dtype=np.uint8), RNG.integers(0, 3, 40))


class Watch(training.Callback):
    """The bytes of the model after each step."""

    def __init__(self):
        self.after = {}

    def on_step_end(self, run):
        self.after[run.step] = bytes_of(run.model)


def bytes_of(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


def network(seed):
    minidnn.manual_seed(seed)
    return nn.Sequential(nn.Dense(12, 8, "relu"), nn.Dropout(0.5), nn.Dense(8, 3))


def run(folder, steps, checkpoint=None, resume=True, seed=3):
    """Trains to the end and saves; resumes whatever there is."""
    model, watch = network(seed), Watch()
    model.watch = watch
    training.fit(
        model,
        TRAIN,
        optimizer=optim.Adam(model.parameters()),
        epochs=steps // 4,
        batch_size=10,
        callbacks=[watch, checkpoint or training.Checkpoint(folder / "checkpoints", every=1)],
        progress=False,
        resume=folder / "checkpoints" if resume else None,
    )
    minidnn.save(model, folder / "model.safetensors")
    return model


def forked(task):
    """The exit status of a child that does the task: 0, 1 for an exception, minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            task()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Shop:
    """Runs, each in a folder with an older model, and the files of the undisturbed run."""

    def __init__(self, work, steps):
        self.work, self.steps, self.count = work, steps, 0
        self.shim = ctypes.CDLL(None)
        minidnn.set_num_threads(1)
        self.older = network(99)
        folder = self.folder()
        model = run(folder, steps)
        self.after = model.watch.after
        self.expected = (folder / "model.safetensors").read_bytes()

    def folder(self):
        self.count += 1
        path = self.work / str(self.count)
        path.mkdir()
        minidnn.save(self.older, path / "model.safetensors")
        return path

    def calls(self):
        """The number of calls in a run, in total and by kind."""
        folder = self.folder()
        self.shim.fault_arm(0, 0)
        run(folder, self.steps)
        kinds = (ctypes.c_long * len(KINDS)).in_dll(self.shim, "fault_kinds")
        return self.shim.fault_calls(), dict(zip(KINDS, list(kinds), strict=True))

    def whole(self, folder):
        """Asserts that the model file is the older one or the new one."""
        left = bytes_of(minidnn.load(folder / "model.safetensors"))
        assert left in (bytes_of(self.older), self.after[self.steps])

    def kill(self, at):
        folder = self.folder()

        def dying():
            self.shim.fault_arm(at, 0)
            run(folder, self.steps)

        assert forked(dying) == -signal.SIGKILL
        self.whole(folder)
        assert forked(lambda: run(folder, self.steps, seed=3)) == 0
        assert (folder / "model.safetensors").read_bytes() == self.expected
        assert not list(folder.rglob(".*.tmp"))
        shutil.rmtree(folder)

    def fail(self, at, error):
        folder = self.folder()

        def failing():
            checkpoint = training.Checkpoint(folder / "checkpoints", every=1)
            model = None
            self.shim.fault_arm(at, error)
            try:
                model = run(folder, self.steps, checkpoint)
            except OSError as raised:
                self.shim.fault_arm(0, 0)
                assert raised.errno == error and str(folder) in str(raised), raised
                self.whole(folder)
                checkpoint.retry()
                assert bytes_of(run(folder, self.steps)) == self.after[self.steps]
            else:  # such as an old checkpoint that could not be removed
                assert bytes_of(model) == self.after[self.steps]
            assert (folder / "model.safetensors").read_bytes() == self.expected

        assert forked(failing) == 0, f"call {at} failing with {errno.errorcode[error]}"
        shutil.rmtree(folder)


def work(steps, errors):
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder), steps)
        calls, kinds = shop.calls()
        for at in range(1, calls + 1):
            shop.kill(at)
            for error in ERRORS[:errors]:
                shop.fail(at, error)
    return {"steps": steps, "calls": kinds, "kills survived": calls, "errors survived": calls * errors}


def preloaded(steps, errors):
    """The same in a process that the shim is loaded into."""
    return preload.preloaded("faults", "faults.py", "--preloaded", "--steps", steps, "--errors", errors, threads=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12, help="of the run, four an epoch")
    parser.add_argument("--errors", type=int, default=len(ERRORS), help="kinds of errors: a full disk, and others")
    parser.add_argument("--preloaded", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    do = work if arguments.preloaded else preloaded
    print(json.dumps(do(arguments.steps, arguments.errors)))
