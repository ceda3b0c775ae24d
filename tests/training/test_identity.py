"""Different values have different descriptions; a value has the same description in every process."""

import enum
import functools
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import minidnn
from minidnn import nn, schedules
from minidnn.training.identity import describe


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def with_keyword(k):
    return lambda x, *, by=k: x * by


def with_closure(k):
    def inner(x):
        return x * k

    return inner


@pytest.mark.parametrize(
    "values",
    [
        (with_keyword(1), with_keyword(2)),
        (with_closure(1), with_closure(2)),
        (functools.lru_cache(with_closure(1)), functools.lru_cache(with_closure(2))),
        (np.tanh, np.sin, np.where, np.sum),
        (str.upper, str.lower, "a".upper, {1: 2}.get, {1: 3}.get, len),
        (Colour.RED, Colour.BLUE),
        (range(2), range(3), slice(2), slice(3)),
        (np.dtype("f4"), np.dtype(">f4"), np.dtype("f8")),
        (np.array([1, "a"], object), np.array([1, "b"], object)),
        (0.1, np.float32(0.1), 1, True),
    ],
)
def test_different_values_have_different_descriptions(values):
    assert len({describe(value) for value in values}) == len(values)
    assert all(describe(value) == describe(value) for value in values)


def test_a_function_of_no_module_is_described():
    assert describe(type(with_closure)(compile("1 + 1", "x", "eval"), {}, "f")).startswith("<module> #")


SCRIPT = """
import numpy as np
from minidnn.training.identity import describe
def kept(x):
    return [y for y in x if y in {"apple", "pear", "plum", "fig"}]
print(describe(kept), describe({"plum", "fig", "pear"}), describe(np.array(["a", 1, None], object)))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_description_is_the_same_in_every_process(seed):
    """The order of sets of strings, also within functions, differs between processes."""

    def described(seed):
        done = subprocess.run(
            [sys.executable, "-P", "-c", SCRIPT], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True
        )
        return done.stdout, done.stderr

    assert described(seed) == described("3") and described(seed)[1] == b""


def one(scale):
    return lambda x: x * scale


class Holder:
    def __init__(self, size, path=None):
        self.size, self.path = size, path


DESCRIBED = [
    # alike, and another
    (lambda: one(2), lambda: one(3)),
    (lambda: lambda x: x + 1, lambda: lambda x: x + 2),
    (lambda: lambda x, y=1: x, lambda: lambda x, y=2: x),
    (lambda: partial(max, 1), lambda: partial(max, 2)),
    (lambda: [1, 2.0, None, True], lambda: [1, 2.0, None, 1]),
    (lambda: {"a": (1,)}, lambda: {"a": (2,)}),
    (lambda: {3, 1, 2}, lambda: {3, 1}),
    (lambda: np.arange(3), lambda: np.arange(3.0)),
    (lambda: np.float32(0.5), lambda: np.float32(0.25)),
    (lambda: Holder(1), lambda: Holder(2)),
    (lambda: Holder(1).__init__, lambda: Holder(2).__init__),
    (
        lambda: schedules.join([schedules.constant(1), schedules.constant(2)], [3]),
        lambda: schedules.join([schedules.constant(1), schedules.constant(3)], [3]),
    ),
    (lambda: minidnn.Generator(1), lambda: minidnn.Generator(2)),
    (lambda: int, lambda: float),
    (lambda: nn.l1_l2(0.1, 0.2), lambda: nn.l1_l2(0.2, 0.1)),
]


@pytest.mark.parametrize(("make", "other"), DESCRIBED)
def test_equal_values_have_equal_descriptions_and_others_differ(make, other):
    assert describe(make()) == describe(make())
    assert describe(make()) != describe(other())
    assert " at 0x" not in describe(make())


def test_places_of_files_do_not_matter():
    assert describe(Holder(1, Path("a"))) == describe(Holder(1, Path("b")))


def test_self_referential_values_can_be_described():
    ring = [1]
    ring.append(ring)
    holder = Holder(1)
    holder.size = holder
    assert describe(ring) and describe(holder)
