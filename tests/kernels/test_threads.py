"""Threads, processes, and numbers that do not depend on them."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import minidnn
from minidnn import kernels

pytestmark = pytest.mark.compiled

X = minidnn.Generator(7).normal((400, 300))
W = minidnn.Generator(8).normal((300, 200))


def parallel_region():
    return kernels.matmul(X, W).tobytes() + kernels.dropout(X, 0.5, 1, 2, 3).tobytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_hang():
    kernels.set_num_threads(3)
    expected = parallel_region()
    for _ in range(50):
        child = os.fork()
        if child == 0:
            os._exit(0 if parallel_region() == expected else 1)
        assert exit_code(child, seconds=20) == 0
        assert parallel_region() == expected


def exit_code(child, seconds):
    """The exit status of the child; None, after killing it, if it does not end in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        pause.wait(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def test_python_threads_compute_the_same_bytes_while_the_number_of_threads_changes():
    expected = parallel_region()
    wrong, stop = [], threading.Event()

    def work():
        for _ in range(30):
            if parallel_region() != expected:
                wrong.append(1)

    def disturb():
        n = 0
        while not stop.is_set():
            n += 1
            kernels.set_num_threads(n % 7 + 1)

    workers = [threading.Thread(target=work) for _ in range(3)]
    disturber = threading.Thread(target=disturb)
    for thread in (*workers, disturber):
        thread.start()
    for worker in workers:
        worker.join()
    stop.set()
    disturber.join()
    assert not wrong


def test_two_models_trained_at_once_equal_models_trained_alone():
    def train(seed, results):
        generator = minidnn.Generator(seed)
        model = minidnn.nn.Sequential(
            minidnn.nn.Dense(300, 64, "relu", rng=generator), minidnn.nn.Dense(64, 10, rng=generator)
        )
        optimizer = minidnn.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        for _ in range(10):
            optimizer.zero_grad()
            minidnn.nn.softmax_cross_entropy(model(X), np.arange(400) % 10).backward()
            optimizer.step()
        results[seed] = b"".join(array.tobytes() for array in model.state_dict().values())

    alone, together = {}, {}
    for seed in (1, 2):
        train(seed, alone)
    threads = [threading.Thread(target=train, args=(seed, together)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone == together


def test_one_model_is_read_by_many_threads():
    """Predictions, and gradients of inputs, of a model that does not change."""
    model = minidnn.nn.Sequential(
        minidnn.nn.Dense(300, 64, "elu"), minidnn.nn.BatchNorm(64), minidnn.nn.Dropout(0.5), minidnn.nn.Dense(64, 10)
    ).eval()
    for param in model.parameters():
        param.requires_grad = False

    def read(part):
        x = minidnn.Tensor(X[part : part + 100], requires_grad=True)
        y = model(x)
        minidnn.nn.softmax_cross_entropy(y, np.arange(100) % 10).backward()
        return y.data.tobytes() + x.grad.tobytes()

    parts = (0, 100, 200, 300)
    expected, wrong = {part: read(part) for part in parts}, []

    def work(part):
        for n in range(20):
            minidnn.set_num_threads(n % 3 + 1)
            if read(part) != expected[part]:
                wrong.append(part)

    threads = [threading.Thread(target=work, args=(part,)) for part in parts * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("n", "error"), [(0, ValueError), (-1, ValueError), (1025, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_set_num_threads_refuses(n, error):
    with pytest.raises(error, match="set_num_threads: n must be"):
        minidnn.set_num_threads(n)


def test_get_num_threads_returns_what_was_set():
    minidnn.set_num_threads(5)
    assert minidnn.get_num_threads() == 5


LATER_PINNED = """
import os
import numpy as np
from minidnn import kernels

core = min(os.sched_getaffinity(0))
x, w = np.ones((400, 300), np.float32), np.ones((300, 200), np.float32)
kernels.use_cores(4)
kernels.set_num_threads(4)
before = kernels.matmul(x, w).tobytes()
os.sched_setaffinity(0, {core})
assert all(kernels.matmul(x, w).tobytes() == before for _ in range(200))
assert os.sched_getaffinity(0) == {core}
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be pinned here")
def test_a_process_that_is_pinned_to_one_core_after_its_threads_have_started_computes_the_same_bytes():
    subprocess.run([sys.executable, "-P", "-c", LATER_PINNED], check=True, timeout=60)
