"""The loader thread: the same bytes, errors in the right place, and its end."""

import functools
import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidnn
from minidnn import kernels, nn, optim, training
from minidnn.data import ArrayDataset, augment, batches
from minidnn.data.prefetch import Prefetch

rng = np.random.default_rng(5)
DIGITS = ArrayDataset(rng.integers(0, 256, (203, 8, 8), np.uint8), rng.integers(0, 10, 203))
AUGMENT = augment.Augment([augment.shift(1), augment.elastic(3, 2), augment.noise(0.1)], (8, 8))


def loaders():
    return [thread for thread in threading.enumerate() if thread.name == "minidnn-prefetch"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert not loaders()


def as_bytes(parts):
    return [(x.tobytes(), y.tobytes()) for x, y in parts]


@settings(max_examples=30, deadline=None)
@given(
    batch_size=st.integers(1, 250), skip=st.integers(0, 4), drop_last=st.booleans(),
    change=st.sampled_from([None, AUGMENT]), threads=st.sampled_from([1, 2, 3, 7]),
)  # fmt: skip
def test_the_bytes_are_the_same_on_and_off(batch_size, skip, drop_last, change, threads):
    kernels.set_num_threads(threads)

    def epoch(**options):
        generator = minidnn.Generator(3)
        parts = batches(DIGITS, batch_size, generator, drop_last, change, **options)
        assert generator.draw == 1  # drawn at the call, whatever the progress of the thread
        return as_bytes(parts)

    truth = epoch(prefetch=False)
    assert epoch(prefetch=True) == epoch() == truth
    assert epoch(prefetch=True, skip=skip) == truth[skip:]


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_the_thread_uses_the_backend_of_its_maker(backend):
    if backend == "compiled" and not kernels.INSTALLED:
        pytest.skip("not installed")
    with kernels.use_backend(backend):
        loader = Prefetch(kernels.backend() for _ in range(3))
    assert list(loader) == [backend] * 3


def test_an_exception_arrives_where_its_batch_would_have_come():
    def items():
        yield 1
        yield 2
        raise OSError("the disk is gone")

    loader = Prefetch(items())
    assert [next(loader), next(loader)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone") as error:
        next(loader)
    assert error.traceback[-1].name == "items"
    with pytest.raises(StopIteration):
        next(loader)


def test_at_most_ahead_batches_are_prefetched():
    made, released = [], threading.Semaphore(0)

    def items():
        for i in range(100):
            made.append(i)
            released.release()
            yield i

    loader = Prefetch(items(), ahead=3)
    for _ in range(3):
        assert released.acquire(timeout=10)
    assert next(loader) == 0
    assert released.acquire(timeout=10)
    loader.close()
    assert made == [0, 1, 2, 3]


def test_a_consumer_that_stops_early_ends_the_thread():
    for _, y in batches(DIGITS, 10, prefetch=True):
        assert len(y) == 10
        break
    batches(DIGITS, 10, prefetch=True)  # never begun
    parts = batches(DIGITS, 10, prefetch=True)
    next(parts)
    parts.close()
    assert not loaders() and list(parts) == []


def test_the_thread_may_close_its_own_loader():
    # The garbage collector may do so, as it runs in any thread.
    def items():
        assert made.wait(10)
        yield 1
        loader.close()
        yield 2

    made = threading.Event()
    loader = Prefetch(items())
    made.set()
    for thread in loaders():
        thread.join(10)
    assert not loaders() and list(loader) == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_next_in_a_forked_child_is_an_error():
    loader = Prefetch(iter(range(10)))
    assert next(loader) == 0
    child = os.fork()
    if child == 0:
        try:
            next(loader)
        except RuntimeError as error:
            os._exit(0 if "before the process was forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(loader) == list(range(1, 10))


ENDINGS = {
    "sys.exit(3)": 3,
    "raise KeyError": 1,
    "signal.raise_signal(signal.SIGINT); list(parts)": -signal.SIGINT,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_that_ends_within_an_epoch_ends(ending):
    code = f"""
import signal, sys, numpy as np
from minidnn.data import ArrayDataset, batches
parts = batches(ArrayDataset(np.zeros((2000, 784), np.uint8), np.zeros(2000, int)), 10, prefetch=True)
next(parts)
{ending}
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == ENDINGS[ending]
    assert "Fatal" not in done.stderr and "terminate" not in done.stderr


class At(training.Callback):
    """Calls a function after a step."""

    observer = True

    def __init__(self, step=-1, do=None):
        self.step, self.do = step, do

    def on_step_end(self, run):
        if run.step == self.step:
            self.do(run)


def fail(run):
    raise ZeroDivisionError


def trained(folder=None, at=None, prefetch=None, resume=None):
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(64, 20, activation="relu"), nn.Dropout(0.2), nn.Dense(20, 10))
    callbacks = [at or At(), *([training.Checkpoint(folder, every=1, keep=2)] if folder else [])]
    training.fit(
        model, DIGITS, optimizer=optim.SGD(model.parameters(), lr=0.1, momentum=0.9), epochs=3, batch_size=20,
        augment=AUGMENT, callbacks=callbacks, progress=False, prefetch=prefetch, resume=resume,
    )  # fmt: skip
    return {name: value.tobytes() for name, value in model.state_dict().items()}


@functools.cache
def trained_without_prefetch():
    return trained(prefetch=False)


def test_training_gives_the_same_bytes_on_and_off():
    assert trained(prefetch=True) == trained_without_prefetch() == trained()


@pytest.mark.parametrize("cut", [4, 11, 15, 25])
@pytest.mark.parametrize("after", [True, False])
def test_a_run_cut_anywhere_and_resumed_ends_with_the_same_bytes(tmp_path, cut, after):
    with pytest.raises(ZeroDivisionError):
        trained(tmp_path, At(cut, fail), prefetch=True)
    assert not loaders()
    assert trained(tmp_path, prefetch=after, resume=tmp_path) == trained_without_prefetch()


def test_a_run_that_is_stopped_ends_the_thread():
    trained(at=At(7, lambda run: run.stop("enough")), prefetch=True)
    assert not loaders()


def test_slow_data_sets_and_free_cores_load_ahead(monkeypatch):
    def uses(dataset=DIGITS):
        parts = batches(dataset, 10)
        found = bool(loaders())
        del parts
        return found

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    slow = ArrayDataset(DIGITS.x, DIGITS.y)
    slow.slow = True
    kernels.set_num_threads(2)
    assert uses(slow) and not uses()
    kernels.set_num_threads(1)
    assert uses(slow) and uses()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert not uses(slow) and not uses()


def test_arguments_are_checked_before_a_thread_is_made():
    with pytest.raises(ValueError, match="batch_size"):
        batches(DIGITS, 0, prefetch=True)
