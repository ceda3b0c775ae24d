"""Tests of the tolerances: each must reject kernels with typical faults."""

import numpy as np
import pytest
from kit import checks
from kit.checks import Bits, Bound, Ulps

EXACT = np.linspace(0.5, 2.0, 33)
TRUTH = EXACT.astype(np.float32)
TOLERANCES = [Bits(), Ulps(2), Bound(np.full(33, 4.0))]


def zeros(y):
    return np.zeros_like(y)


def off_by_one_element(y):
    return np.roll(y, 1)


def wrong_tail(y):
    return np.concatenate([y[:-1], y[-1:] * 2])


def one_nan(y):
    return np.where(np.arange(len(y)) == 7, np.nan, y).astype(np.float32)


def negated(y):
    return -y


def another_shape(y):
    return y[np.newaxis]


def too_short(y):
    return y[:-1]


def another_dtype(y):
    return y.astype(np.float64)


def not_an_array(y):
    return y.tolist()


FAULTS = [
    zeros,
    off_by_one_element,
    wrong_tail,
    one_nan,
    negated,
    another_shape,
    too_short,
    another_dtype,
    not_an_array,
]


@pytest.mark.parametrize("tolerance", TOLERANCES, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_wrong_kernel_is_caught(tolerance, fault):
    with pytest.raises(AssertionError):
        tolerance.check(fault(TRUTH), TRUTH, EXACT)


@pytest.mark.parametrize("tolerance", TOLERANCES, ids=lambda t: type(t).__name__)
def test_a_right_kernel_passes(tolerance):
    tolerance.check(TRUTH.copy(), TRUTH, EXACT)


def test_bits_sees_one_bit_and_the_sign_of_zero_but_takes_any_nan():
    with pytest.raises(AssertionError, match="first at"):
        Bits().check(np.nextafter(TRUTH, np.float32(9)), TRUTH, EXACT)
    with pytest.raises(AssertionError):
        Bits().check(np.array([-0.0], np.float32), np.array([0.0], np.float32), None)
    Bits().check(np.array([-np.nan], np.float32), np.array([np.nan], np.float32), None)
    with pytest.raises(AssertionError):
        Bits().check(np.array([1, 2]), np.array([1, 3]), None)


def test_ulps_counts_them():
    two_off = np.nextafter(np.nextafter(TRUTH, np.float32(9)), np.float32(9))
    Ulps(3).check(two_off, TRUTH, EXACT)
    with pytest.raises(AssertionError):
        Ulps(1).check(two_off, TRUTH, EXACT)


def test_ulps_requires_equal_infinities_and_nans():
    exact = np.array([np.inf, -np.inf, np.nan, 1e300])
    truth = np.array([np.inf, -np.inf, np.nan, np.inf], np.float32)
    Ulps(1).check(truth.copy(), truth, exact)
    for place in range(4):
        wrong = truth.copy()
        wrong[place] = 0
        with pytest.raises(AssertionError):
            Ulps(1).check(wrong, truth, exact)


def test_bound_scales():
    got = (EXACT * (1 + 3 * checks.EPS)).astype(np.float32)
    Bound(4 * EXACT).check(got, TRUTH, EXACT)
    with pytest.raises(AssertionError):
        Bound(EXACT).check(got, TRUTH, EXACT)


def test_outputs_contain_results_and_changed_arguments():
    def kernel(x, y, *, by):
        y += by
        return x * 2, None

    x, y = np.ones(3), np.zeros(3)
    doubled, changed = checks.outputs_of(kernel, (x, y), {"by": 5}, mutated=(1,))
    assert doubled.tolist() == [2, 2, 2] and changed.tolist() == [5, 5, 5] and y.tolist() == [0, 0, 0]
