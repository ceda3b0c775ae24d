"""Training runs for tests on several ranks: ``mpiexec -n 2 python -m mpi4py tests/parallel_runs.py OUTPUT``."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import minidnn
from minidnn import Generator, data, nn, optim, training
from minidnn.parallel import world


def notebook(**options):
    """The notebook's network with few steps, momentum and a schedule; the last batch has fewer examples than shards."""
    train = data.load_digits_sample().train
    model = nn.Sequential(nn.Dense(64, 30, "relu"), nn.Dense(30, 20, "relu"), nn.Dense(20, 10))
    optimizer = optim.SGD(model.parameters(), lr=minidnn.schedules.exponential(0.1, 0.1, 100), momentum=0.9)
    return _fit(model, train[:386], optimizer=optimizer, valid=train[400:500], batch_size=48, **options)


def everything(**options):
    """Dropout, batch normalization, augmentation, Adam, clipping, several batches per update."""
    train = data.load_digits_sample().train
    model = nn.Sequential(
        nn.Dense(64, 32), nn.BatchNorm(32), nn.ReLU(), nn.Dropout(0.3), nn.Dense(32, 16, "selu"),
        nn.AlphaDropout(0.1, rng=Generator(5)), nn.Dense(16, 10),
    )  # fmt: skip
    augment = data.augment.Augment([data.augment.shift(1), data.augment.rotate(10)], image_shape=(8, 8))
    return _fit(
        model,
        train[:403],
        optimizer=optim.Adam(model.parameters(), lr=0.01),
        valid=train[403:500],
        batch_size=48,
        accumulate=2,
        augment=augment,
        clip_norm=0.5,
        callbacks=[training.EarlyStopping(100, every=3)],
        **options,
    )


def regression(**options):
    """Numbers as targets, a weight for each example, penalties, a batch size that is not a multiple of the shards."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((205, 6)).astype(np.float32)
    y = (x @ rng.standard_normal(6)).astype(np.float32)
    model = nn.Sequential(nn.Dense(6, 16, "tanh", kernel_regularizer=nn.l2(0.01)), nn.Dense(16, 1))
    return _fit(
        model,
        (x, y),
        loss=nn.mean_squared_error,
        optimizer=optim.NAdam(model.parameters()),
        valid=0.2,
        batch_size=32,
        sample_weight=rng.uniform(0, 2, 205),
        **options,
    )


RUNS = {run.__name__: run for run in (notebook, everything, regression)}


def _fit(model, train, **options):
    options = {"shards": 4, "epochs": 2, "progress": False} | options
    history = training.fit(model, train, **options)
    return model, history


def summary(model, history):
    """The values to compare: the SHA-256 of all tensors, and the numbers of the history."""
    digest = hashlib.sha256(b"".join(tensor.data.tobytes() for tensor in model.tensors().values())).hexdigest()
    rows = [{k: v for k, v in row.items() if "second" not in k} for row in history.rows]
    return {"sha256": digest, "rows": rows}


def run(name, **options):
    minidnn.manual_seed(7)
    return summary(*RUNS[name](**options))


if __name__ == "__main__":
    here = world()
    results = here.gather({name: run(name) for name in RUNS})
    if here.rank == 0:
        Path(sys.argv[1]).write_text(json.dumps(results))
