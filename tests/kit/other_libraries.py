"""Other libraries to compare with, imported where they are installed."""

import importlib.util
import os
import warnings

import numpy as np
import pytest

X = np.random.default_rng(3).normal(size=(20, 6)).astype(np.float32)


def library(name):
    """The library, or a skip; warnings at its import are ignored."""
    if name == "keras" and importlib.util.find_spec("torch") and not importlib.util.find_spec("tensorflow"):
        os.environ.setdefault("KERAS_BACKEND", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def same(y, expected):
    expected = np.asarray(expected)
    assert y.shape == expected.shape
    assert np.abs(y.data - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max())


WORDS = np.array([[1, 7, 3], [0, 0, 2], [3, 3, 3]])
