"""The same seed gives the same result at every number of threads, captured or not, on every instruction set."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from kit import TESTS

import minidnn
from minidnn import data, kernels, nn, optim, schedules, training
from minidnn.data import augment

pytestmark = pytest.mark.compiled

RNG = np.random.default_rng(2)
TRAIN = data.ArrayDataset(RNG.integers(0, 256, (700, 196), dtype=np.uint8), RNG.integers(0, 10, 700))


def network():
    """Wide enough that every kernel uses several threads."""
    return nn.Sequential(
        nn.Dropout(0.1),
        nn.Dense(196, 500, "elu", kernel_regularizer=nn.l1_l2(1e-4, 1e-4), name="hidden1"),
        nn.BatchNorm(500),
        nn.Residual(nn.Dense(500, 500, "relu", kernel_constraint=nn.max_norm(2.0), name="hidden2")),
        nn.LayerNorm(500),
        nn.PReLU(500),
        nn.Dropout(0.5),
        nn.Dense(500, 10, name="outputs"),
    )


def train(threads, capture):
    """The bytes of every parameter, running statistic, slot and loss."""
    minidnn.set_num_threads(threads)
    minidnn.manual_seed(42)
    model = network()
    optimizer = optim.Adam(model.parameters(), schedules.exponential(0.01, 0.5, 3))
    history = training.fit(
        model,
        TRAIN,
        optimizer=optimizer,
        epochs=2,
        batch_size=200,
        valid=TRAIN[:100],
        augment=augment.Augment([augment.shift(1)], (14, 14)),
        progress=False,
        capture=capture,
    )
    state = {**model.state_dict(), **optimizer.state_dict()}
    losses = [(row["loss"], row["valid_loss"]) for row in history.rows]
    return {name: np.asarray(value).tobytes() for name, value in state.items()}, losses


def test_the_same_bytes_at_every_number_of_threads_captured_or_not():
    runs = [train(threads, capture) for threads in (1, 2, 3, 7, 1) for capture in (True, False)]
    assert all(run == runs[0] for run in runs)


PROGRAM = """
import hashlib, json, sys
import numpy as np
import minidnn
from minidnn import kernels

rng = np.random.default_rng(4)
a, b = rng.standard_normal((70, 300)).astype(np.float32), rng.standard_normal((300, 90)).astype(np.float32)
x = rng.standard_normal(70_001).astype(np.float32)
exact = {
    "relu": kernels.relu(x),
    "dropout": kernels.dropout(x, 0.3, 1, 2, 3),
    "permutation": minidnn.Generator(5).permutation(1000),
    "weights": minidnn.nn.Dense(30, 40, rng=minidnn.Generator(6)).kernel.data,
}
param, m, v = x.copy(), np.zeros_like(x), np.zeros_like(x)
for step in range(1, 4):
    kernels.adam_step(param, x, m, v, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, step=step)
exact["adam"] = param
product = kernels.matmul(a, b)
error = np.abs(product - a.astype(np.float64) @ b) / (np.abs(a).astype(np.float64) @ np.abs(b))
print(json.dumps({
    "isa": kernels.isa(),
    "exact": {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in exact.items()},
    "product": hashlib.sha256(product.tobytes()).hexdigest(),
    "error": float(error.max() / np.finfo(np.float32).eps),
}))
"""


def test_every_instruction_set_within_its_bound_and_equal_where_arithmetic_allows():
    """Chosen by MINIDNN_ISA, as a user does, in separate processes."""
    reports = []
    for isa in kernels.usable_isas():
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM],
            env=os.environ | {"MINIDNN_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        reports.append(json.loads(done.stdout))
    assert [report["isa"] for report in reports] == kernels.usable_isas()
    assert all(report["exact"] == reports[0]["exact"] for report in reports)
    assert all(report["error"] <= 302 for report in reports)  # k + 2 roundings, see `product_bound`
    fused = {report["product"] for report in reports if report["isa"] != "baseline"}
    assert len(fused) <= 1  # one chain of fused multiply-adds, whatever the width


def test_two_processes_train_to_the_same_bytes():
    """The order of sets, addresses and hashes differ between processes."""
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; import hashlib, test_determinism as t\n"
        "state, losses = t.train(2, True)\n"
        "print(hashlib.sha256(b''.join(state.values()) + repr(losses).encode()).hexdigest())"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-P", "-c", program, str(TESTS), os.path.dirname(__file__)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    state, losses = train(3, False)
    assert prints == {hashlib.sha256(b"".join(state.values()) + repr(losses).encode()).hexdigest() + "\n"}
