"""Checks which installation is tested, and restores the global state after each test."""

import functools
import os
import signal
import sysconfig
from pathlib import Path

import pytest

import minidnn
from minidnn import kernels, plot
from minidnn.data import packaged

parsed = functools.cache(packaged.load_idx)


def pytest_configure(config):
    # A background job of a shell ignores SIGINT, and so would the programs that the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "compiled: compares compiled kernels with the reference, so it needs them")
    packaged.load_idx = lambda path: parsed(path).copy()  # MNIST is decompressed once per process
    kernels.use_cores(64)  # so that tests with 2, 3 and 7 threads divide the work also where there are fewer cores
    if kernels.INSTALLED:
        library = Path(kernels._core.__file__).resolve()
        expected = Path(os.environ.get("MINIDNN_SANITIZED") or sysconfig.get_path("platlib")).resolve()
        if expected not in library.parents:
            raise pytest.UsageError(f"minidnn._core comes from {library}, must be installed in {expected}")


def pytest_collection_modifyitems(config, items):
    if kernels.backend() == "reference":
        compares = [item for item in items if item.get_closest_marker("compiled")]
        config.hook.pytest_deselected(items=compares)
        items[:] = [item for item in items if item not in compares]


@pytest.fixture(autouse=True)
def clean_state():
    isa, threads, rng = kernels.isa(), kernels.num_threads(), minidnn.get_rng_state()
    yield
    if kernels.INSTALLED:
        kernels.use_isa(isa)
    kernels.set_num_threads(threads)
    minidnn.set_rng_state(rng)


@pytest.fixture
def blank_pictures(monkeypatch):
    """Skips the rendering of figures, which takes most of the time of a short training; the files are still written."""
    monkeypatch.setattr(plot, "_bytes", lambda *arguments, **options: b"\x89PNG")
