"""Kernels of single numbers in memory: norms, counts, the draws of a generator."""

import math

import numpy as np
import pytest

from minidnn import kernels, reference

BOTH = pytest.mark.parametrize("of", [kernels, reference], ids=["kernels", "reference"])


def double(value):
    return np.array(value, np.float64)


def counter(value=0):
    return np.array(value, np.uint64)


@BOTH
@pytest.mark.parametrize("squares", [(), (4.0,), (9.0, 16.0), (0.1, 0.2, 0.3), (math.inf, 1.0), (math.nan, 1.0)])
def test_global_norm(of, squares):
    norm = of.global_norm(*map(double, squares))
    assert norm.shape == () and norm.dtype == np.float64
    expected = math.sqrt(sum(squares))
    assert norm.item() == expected or (math.isnan(expected) and math.isnan(norm.item()))


@BOTH
@pytest.mark.parametrize(
    ("norm", "factor"), [(0.0, 1.0), (2.0, 1.0), (8.0, 0.25), (math.inf, 1.0), (math.nan, 1.0), (2.1, 2.0 / 2.1)]
)
def test_clip_factor(of, norm, factor):
    assert of.clip_factor(double(norm), 2.0).item() == factor


@BOTH
@pytest.mark.parametrize(
    ("param", "update", "rate"),
    [
        (4.0, 9.0, 0.3 * 0.5 * 2 / (3 + 2 + 1)),
        (0.0, 9.0, 0.3),
        (4.0, 0.0, 0.3),
        (math.nan, 9.0, 0.3),
        (4.0, math.inf, 0.0),
    ],
)
def test_trusted_rate(of, param, update, rate):
    options = {"coefficient": 0.5, "weight_decay": 1.0, "eps": 1.0}
    assert of.trusted_rate(double(param), double(update), lr=0.3, **options).item() == rate


@BOTH
@pytest.mark.parametrize(
    ("param", "direction", "step", "rate"),
    [(64.0, 4.0, 1, 2 * 0.3), (64.0, 4.0, 25, 2 * 0.2), (0.0, 4.0, 1, 0.5 * 0.3), (64.0, 144.0, 1, 2 * 0.3 / 1.5)],
)
def test_adafactor_rate(of, param, direction, step, rate):
    options = {"lr": 0.3, "count": 16, "scale": 0.5, "d": 2.0, "step": step}
    assert of.adafactor_rate(double(param), double(direction), **options).item() == rate


@BOTH
def test_count(of):
    counters = counter(), counter(7), counter(2**63)
    of.count(*counters)
    assert [int(c) for c in counters] == [1, 8, 2**63 + 1]


@BOTH
def test_next_draw(of):
    state = counter(2**40)
    draws = [of.next_draw(state) for _ in range(3)]
    assert [int(draw) for draw in draws] == [2**40, 2**40 + 1, 2**40 + 2] and int(state) == 2**40 + 3
    assert all(draw.dtype == np.uint64 and draw.shape == () for draw in draws)


@pytest.mark.compiled
def test_invalid_counters_are_refused():
    for wrong in (np.zeros(1, np.uint64), np.zeros((), np.int64), 3):
        with pytest.raises((TypeError, ValueError), match="counter"):
            kernels.count(wrong)
    read_only = counter()
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        kernels.next_draw(read_only)


@pytest.mark.compiled
def test_a_setting_in_memory_is_read_when_the_kernel_runs():
    weights = np.ones(5, np.float32)
    factor, lr, step = double(0.5), double(0.1), counter(3)
    kernels.scale(weights, factor)
    assert (weights == 0.5).all()
    slots = np.zeros((2, 5), np.float32)
    options = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    kernels.adam_step(weights, weights.copy(), *slots, lr=lr, step=step, **options)
    plain = np.full(5, 0.5, np.float32)
    reference.adam_step(plain, plain.copy(), *np.zeros((2, 5), np.float32), lr=0.1, step=3, **options)
    assert weights.tobytes() == plain.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_check_gradients(value):
    kernels.check_gradients(np.asarray(1e300), np.asarray(0.0))
    kernels.check_gradients()
    with pytest.raises(FloatingPointError, match="check_gradients"):
        kernels.check_gradients(np.asarray(1.0), np.asarray(value))
