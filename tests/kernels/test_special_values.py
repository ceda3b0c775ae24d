"""Every kernel equals its reference on NaN, infinities, -0.0, denormals and the largest numbers, in any place."""

import itertools
import zlib

import numpy as np
import pytest
from kit.cases import KERNELS
from kit.checks import EPS, TINY, Bits, Ulps, as_float64, outputs_of
from kit.instruction_sets import ISAS

from minidnn import kernels, reference
from minidnn.activations import ACTIVATIONS

pytestmark = [pytest.mark.compiled, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

LARGEST, SMALLEST = np.finfo(np.float32).max, np.finfo(np.float32).smallest_normal
SPECIAL = np.array(
    [
        sign * x
        for x in (np.nan, np.inf, 0.0, TINY, 1e-39, SMALLEST, LARGEST, 1.0, 87.3, 88.8, 104.0)
        for sign in (1, -1)
    ],
    np.float32,
)
CRITICAL = [0, 2, 3, 6, 12]
LENGTHS = (*range(1, 34), 47, 48, 49, 63, 64, 65, 66, 2000, 2 * 32768 + 17)
"""Every tail alone and after a vector of 16, lengths around further vectors, many vectors, several threads."""
SMALL, BLOCK = 40, 3000
"""Up to SMALL elements get the critical values in every place, up to BLOCK all values in some place, others one."""
ROUGHLY = 1e-5
"""The error allowed, relative to the largest result, where the special value makes the derived bound infinite."""

elementwise = [row for row in KERNELS if all(isinstance(size, int) for size in row.sizes) and not row.reduces]
reductions = [row for row in KERNELS if row not in elementwise]


def floats(arguments):
    """The indices of the nonempty float32 arrays among the arguments."""
    return [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray) and a.dtype == np.float32 and a.size]


def kinds(x):
    """0 where finite, 1 where NaN, 2 and 3 where infinite."""
    return np.isnan(x) + 2 * np.isposinf(x) + 3 * np.isneginf(x)


def allowed(tolerance, arguments, exact):
    """The error allowed in each element; None for a tolerance without a derived bound."""
    if isinstance(tolerance, Bits | Ulps):
        return None
    scale = EPS * np.broadcast_to(tolerance(*arguments, exact).scale, exact.shape)
    scale = np.where(np.isfinite(scale), scale, ROUGHLY * np.abs(exact[np.isfinite(exact)]).max(initial=0))
    return scale + TINY * (2 + largest(arguments))


def check(tolerance, scale, got, truth32, exact):
    if isinstance(tolerance, Bits):
        tolerance.check(got, truth32, exact)
    elif isinstance(tolerance, Ulps):
        tolerance.check(got, truth32, exact)
        tolerance.check(truth32, truth32, exact)
    else:
        assert got.shape == exact.shape
        # Where float32 overflows in between, the result depends on the order of the sum: either truth is accepted.
        others = ~(np.abs(got - exact) <= scale)
        if not others.any():
            return
        got, truth32, exact, scale = got[others], truth32[others], exact[others], scale[others]
        kind = kinds(got)
        truths = exact, exact.astype(got.dtype), truth32
        right = [(np.abs(got - truth) <= scale) | (kind > 0) & (kind == kinds(truth)) for truth in truths]
        assert np.logical_or.reduce(right).all(), f"{got}, not {truth32}, exactly {exact}, at most {scale}"


def outcome(function, arguments, options, mutated):
    """The outputs, or () and the exception's type where `check_finite` raises."""
    try:
        return outputs_of(function, arguments, options, mutated), None
    except FloatingPointError:
        return (), FloatingPointError


def equals_its_reference(row, arguments, options):
    exact_arguments = tuple(as_float64(a) for a in arguments)
    truths, raised = outcome(getattr(reference, row.name), arguments, options, row.mutated)
    exacts, _ = outcome(getattr(reference, row.name), exact_arguments, options, row.mutated)
    scales = [allowed(*given) for given in zip(row.tolerances, itertools.repeat(exact_arguments), exacts, strict=False)]
    checked = set()  # most instruction sets give the same bytes
    for isa in ISAS:
        kernels.use_isa(isa)
        kernels.set_num_threads(1)
        outputs, failed = outcome(getattr(kernels, row.name), arguments, options, row.mutated)
        assert failed is raised
        values = zip(row.tolerances, scales, outputs, truths, exacts, strict=False)
        for place, (tolerance, scale, output, *truth) in enumerate(values):
            content = place, output.dtype, output.shape, output.tobytes()
            if content in checked:
                continue
            try:
                check(tolerance, scale, output, *truth)
            except AssertionError as wrong:
                raise AssertionError(f"{isa}, output {place}: {wrong} of {arguments}") from None
            checked.add(content)
        if largest((*arguments, *outputs)) > BLOCK:
            kernels.set_num_threads(3)
            again, failed = outcome(getattr(kernels, row.name), arguments, options, row.mutated)
            assert failed is raised
            for one, other in zip(outputs, again, strict=True):
                assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), f"{isa}, 3 threads: {arguments}"


def among(row, place, values):
    """The values, mapped into the domain of this argument."""
    values = np.asarray(values, np.float32)
    return row.domain[place](values) if place in row.domain else values


@pytest.mark.parametrize("row", elementwise, ids=str)
def test_elementwise_kernels(row):
    """Arrays of special and ordinary numbers, all pairs of them among the larger arrays."""
    rng = np.random.default_rng(zlib.crc32(str(row).encode()))
    for n in LENGTHS:
        arguments, options = row.make(rng, n)
        arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        for i in floats(arguments):
            a = arguments[i]
            a[...] = np.where(rng.random(a.shape) < 0.7, rng.choice(among(row, i, SPECIAL), a.shape), a)
        equals_its_reference(row, tuple(arguments), options)


def largest(arguments):
    """How many elements the largest array has."""
    return max((a.size for a in arguments if isinstance(a, np.ndarray)), default=0)


def places(rng, a, values, size):
    """Flat places of an array with the values to put there; size is that of the largest array of the call."""
    if size > BLOCK:
        values = rng.choice(values[CRITICAL[:3]], 1)
    every = [(int(rng.integers(a.size)), value) for value in values]
    return every + list(itertools.product(range(a.size), values[CRITICAL])) if size <= SMALL else every


@pytest.mark.parametrize("row", reductions, ids=str)
def test_sums_and_products(row):
    """One special value at a time, which reaches every sum that it is part of and no other."""
    rng = np.random.default_rng(zlib.crc32(str(row).encode()))
    for size in row.sizes:
        arguments, options = row.make(rng, size)
        for i in floats(arguments):
            for place, value in places(rng, arguments[i], among(row, i, SPECIAL), largest(arguments)):
                a = np.array(arguments[i])
                a.flat[place] = value
                equals_its_reference(row, (*arguments[:i], a, *arguments[i + 1 :]), options)


@pytest.mark.parametrize("row", reductions, ids=str)
def test_sums_of_two_infinities(row):
    """Two special values in one array, and an array of one value alone."""
    rng = np.random.default_rng(zlib.crc32(str(row).encode()) + 1)
    pairs = [(np.inf, -np.inf), (np.inf, np.inf), (np.nan, np.inf), (-0.0, 0.0)]
    for size in row.sizes:
        arguments, options = row.make(rng, size)
        if largest(arguments) > BLOCK:
            continue
        for i in floats(arguments):
            for pair in pairs:
                a = np.array(arguments[i])
                a.flat[rng.choice(a.size, min(2, a.size), replace=False)] = among(row, i, pair)[: a.size]
                equals_its_reference(row, (*arguments[:i], a, *arguments[i + 1 :]), options)
            for value in (np.nan, np.inf, -np.inf, -0.0, TINY):
                same = np.full(arguments[i].shape, among(row, i, [value])[0], np.float32)
                equals_its_reference(row, (*arguments[:i], same, *arguments[i + 1 :]), options)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("isa", ISAS)
def test_zeros_have_the_sign_of_the_reference(isa, name):
    """The other tolerances ignore the sign: ``1 / tanh(0)`` was -inf. 200 and -200 underflow."""
    kernels.use_isa(isa)
    row = ACTIVATIONS[name]
    x, settings = np.tile(np.array([0.0, -0.0, 200.0, -200.0], np.float32), 19), row.settings(None)
    y = np.asarray(getattr(reference, name)(x, *settings))
    for arguments in ((x,), (np.full_like(x, 2.0), x), (np.full_like(x, -2.0), x)):
        call = name
        if len(arguments) == 2:
            call, arguments = f"{name}_backward", (arguments[0], y if row.reads == "y" else x)
        got, truth = (np.asarray(getattr(module, call)(*arguments, *settings)) for module in (kernels, reference))
        np.testing.assert_array_equal(np.signbit(got), np.signbit(truth), err_msg=call)
