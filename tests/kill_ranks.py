"""Kills random ranks of ``minidnn train`` at random times: ``python tests/kill_ranks.py KILLS RANKS``.

Each training may lose ranks until one is left and is started again each time; its model must have the bytes of a
training that lost none.
"""

from __future__ import annotations

import hashlib
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 40


def command(folder, ranks, epochs, restarts=0):
    recipe = "--data digits --shards 8 --hidden 64,32 --batch-size 64 --optimizer adam --clip-norm 1"
    where = f"--ranks {ranks} --threads 1 --oversubscribe --restarts {restarts} --output"
    own = [*recipe.split(), "--epochs", str(epochs), "--checkpoint-every", "5", *where.split(), str(folder)]
    return [sys.executable, "-P", "-m", "minidnn", "train", *own]


def ranks_of(folder):
    """The processes of the ranks that write there, by rank."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if str(folder).encode() in words and b"mpi4py" in words and b"mpiexec" not in words[0]:
                environment = (process / "environ").read_bytes().split(b"\0")
                rank = next((word for word in environment if word.startswith(b"PMI_RANK=")), None)
                if rank is not None:
                    found[int(rank[9:])] = int(process.name)
        except OSError:  # it has ended
            continue
    return found


def checkpoint(folder):
    return max((path.name for path in (folder / "checkpoints").glob("checkpoint-*")), default="")


def ended(process, seconds):
    """Whether the process ends within this many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def train_with_kills(folder, ranks, epochs, kills, rng, wait=True):
    """Trains and kills up to `kills` ranks; returns the number of kills and the exit code.

    Args:
        wait: kill when a new checkpoint was written, rather than after a random time.
    """
    start = command(folder, ranks, epochs, restarts=kills)
    process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    done = 0
    while done < kills and process.poll() is None:
        before = checkpoint(folder)
        pause = rng.uniform(0.2, 2.0)
        while not ended(process, 0.01 if wait else pause) and wait and checkpoint(folder) == before:
            pass
        if alive := ranks_of(folder):
            victim = rng.choice(sorted(alive.values()))
            try:
                handle = os.pidfd_open(victim)
            except ProcessLookupError:
                continue
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                done += 1
                select.select([handle], [], [])  # readable once the rank is dead
            except ProcessLookupError:
                pass
            finally:
                os.close(handle)
    _, printed = process.communicate()
    lost = printed.count("a rank was lost")
    return lost, process.returncode


def model_of(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def main(kills, ranks):
    rng, start = random.Random(0), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole"
        subprocess.run(command(whole, 1, EPOCHS), check=True, stdout=subprocess.DEVNULL)
        expected, lost, trainings, wrong = model_of(whole), 0, 0, 0
        while lost < kills:
            folder = Path(name) / "killed"
            more, code = train_with_kills(folder, ranks, EPOCHS, min(4, kills - lost), rng, wait=False)
            same = code == 0 and model_of(folder) == expected
            lost, trainings, wrong = lost + more, trainings + 1, wrong + (not same)
            print(f"{lost} ranks lost in {trainings} trainings, {wrong} of other bytes", flush=True)
            shutil.rmtree(folder)
    print(f"{time.monotonic() - start:.0f} s, SHA-256 {expected[:16]}")
    return wrong


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
