"""Starts trainings in which a rank raises an exception: ``python tests/raise_ranks.py STARTS RANKS``.

Place and time are random. Each training must end within a minute, with exit code 1 and one message.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time

from minidnn.parallel.launching import mpiexec

PLACES = ("before", "data", "forward", "loss", "step", "epoch", "end", "save")
MESSAGE = "injected"


times = itertools.count()  # no part of what ranks compare: it would differ


def injected(place, rank, after):
    """Trains; the rank raises when it comes to the place after so many times."""
    import numpy as np

    from minidnn import nn, optim, training
    from minidnn.parallel import world

    def come(here):
        if here == place and world().rank == rank and next(times) == after:
            raise LookupError(MESSAGE)

    class Layer(nn.Module):
        def forward(self, x):
            come("forward")
            return x

    def loss(scores, labels):
        come("loss")
        return nn.softmax_cross_entropy(scores, labels)

    def augment(x, examples, key):
        come("data")
        return x

    class Callback(training.Callback):
        def on_step_end(self, run):
            come("step")

        def on_epoch_end(self, run):
            come("epoch")

        def on_fit_end(self, run):
            come("end")

    come("before")
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 8), np.float32), rng.integers(0, 3, 64)
    model = nn.Sequential(nn.Dense(8, 8, "relu"), Layer(), nn.Dense(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    training.fit(
        model, x, y, optimizer=optimizer, epochs=3, batch_size=16, shards=4, augment=augment, capture=False,
        loss=loss, valid=0.2, callbacks=[Callback()], progress=False,
    )  # fmt: skip
    come("save")


def main(starts, ranks):
    rng, begin, wrong, raised = random.Random(0), time.monotonic(), 0, 0
    for _ in range(starts):
        what = [rng.choice(PLACES), str(rng.randrange(ranks)), str(rng.randrange(4))]
        words = [mpiexec(), "-n", str(ranks), sys.executable, "-P", "-m", "mpi4py", __file__, "--here", *what]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
            )
            messages = done.stderr.count(f"LookupError: {MESSAGE}")
            good = (done.returncode, messages) in ((1, 1), (0, 0))
            raised += messages
            text = f"exit code {done.returncode}, {messages} messages"
        except subprocess.TimeoutExpired:
            good, text = False, "waits for ever"
        if not good:
            wrong += 1
            print(f"{' '.join(what)}: {text}", flush=True)
    seconds = time.monotonic() - begin
    print(f"{starts} starts of {ranks} ranks, {raised} with an exception, {wrong} wrong, {seconds:.0f} s")
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "--here":
        injected(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
