"""Ctrl-C in the middle of a kernel, and memory that runs out: Python's own exceptions, and the process continues."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from minidnn import kernels

pytestmark = pytest.mark.compiled

PRELUDE = """
import ctypes, os, resource, signal, sys, threading
import numpy as np
import minidnn
from minidnn import kernels, nn, optim

minidnn.set_num_threads(int(sys.argv[1]))
X = minidnn.Generator(7).normal((300, 700))
W = minidnn.Generator(8).normal((700, 200))
expected = kernels.matmul(X, W).tobytes()

def endless(rows, columns):
    return np.broadcast_to(np.ones((1, 1), np.float32), (rows, columns))

A, B = endless(300, 2**40), endless(2**40, 300)  # a product that would take years, in 4 bytes
"""


def program(code, threads):
    """What it prints; a product that is not interrupted is ended here."""
    command = [sys.executable, "-P", "-c", PRELUDE + code, str(threads)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_ends_a_kernel(threads):
    code = """
def long_work():
    kernels.matmul(A, B)

def long_layer():
    kernels.dense(A, B, np.zeros(300, np.float32), "relu", 0.0)

def long_recording():
    kernels.new_program().record(kernels._core.matmul, (A, B), {})

for work in (long_work, long_layer, long_recording):
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        work()
    except KeyboardInterrupt:
        print(work.__name__)
    timer.join()
    assert kernels.matmul(X, W).tobytes() == expected
"""
    assert program(code, threads) == ["long_work", "long_layer", "long_recording"]


def test_a_kernel_continues_after_a_handler_that_raises_nothing():
    code = """
calls = []

def handler(number, frame):
    calls.append(number)
    if len(calls) == 3:
        raise InterruptedError("enough")

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
try:
    kernels.matmul(A, B)
except InterruptedError as error:
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(len(calls), error)
"""
    assert program(code, 2) == ["3", "enough"]


def test_a_kernel_in_another_thread_continues():
    code = """
class Done(Exception):
    pass

def handler(number, frame):
    raise Done

signal.signal(signal.SIGUSR1, handler)
results = []

def other():
    for _ in range(20):
        results.append(kernels.matmul(X, W).tobytes() == expected)
    os.kill(os.getpid(), signal.SIGUSR1)

thread = threading.Thread(target=other)
thread.start()
try:
    kernels.matmul(A, B)
except Done:
    thread.join()
    print(len(results), all(results))
"""
    assert program(code, 2) == ["20", "True"]


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.skipif("MINIDNN_SANITIZED" in os.environ, reason="the sanitizer itself needs all the address space")
@pytest.mark.parametrize("threads", [1, 3])
def test_out_of_memory_is_a_memory_error(threads):
    """A step under a limit that is tightened until the first array no longer fits."""
    code = """
def used():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize:")) << 10

def limit(bytes):
    resource.setrlimit(resource.RLIMIT_AS, (bytes, resource.RLIM_INFINITY))

def step():
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(700, 900, "elu"), nn.Dropout(0.5), nn.BatchNorm(900), nn.Dense(900, 10))
    optimizer = optim.Adam(model.parameters())
    nn.softmax_cross_entropy(model(X), np.arange(300) % 10).backward()
    optimizer.step()
    return b"".join(array.tobytes() for array in model.state_dict().values())

whole = step()
failed = fitted = 0
give_back = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)  # else a step fits into what the last one freed
for room in range(0, 40 << 20, 1 << 20):
    give_back(0)
    limit(used() + room)
    try:
        result = step()
    except MemoryError:
        failed += 1
    else:
        fitted += 1
        assert result == whole
    limit(resource.RLIM_INFINITY)
assert step() == whole and kernels.matmul(X, W).tobytes() == expected
print(failed > 0, fitted > 0)
limit(used() + (64 << 20))
for work in (
    lambda: kernels.matmul(X[:, :1].repeat(100, 0), X[:1].repeat(100, 1)),
    lambda: kernels.random_bits(2**30, 1, 2, 3),
    lambda: kernels.matmul(endless(2**20, 1), endless(1, 2**20)),
):
    try:
        work()
    except MemoryError:
        print("MemoryError")
"""
    assert program(code, threads) == ["True", "True", *["MemoryError"] * 3]


def test_a_size_that_overflows_is_refused():
    huge = np.broadcast_to(np.float32(1), (2**40, 1))
    with pytest.raises((MemoryError, ValueError)):
        kernels.matmul(huge, huge.T)
    with pytest.raises((MemoryError, ValueError)):
        kernels.random_bits(2**63 - 1, 1, 2, 3)
    with pytest.raises((MemoryError, ValueError, TypeError)):
        kernels.random_bits(2**64, 1, 2, 3)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
