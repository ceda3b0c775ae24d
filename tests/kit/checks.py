"""What "equal" means: three tolerances, each with a reason. `test_checks.py` tests them.

A tolerance is an object with ``check(got, truth32, exact)``: truth32 is what the float32 reference computed, exact what
the reference computes from the same inputs in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EPS = float(np.finfo(np.float32).eps)
TINY = float(np.finfo(np.float32).smallest_subnormal)


def _same_kind(got, truth):
    assert isinstance(got, np.ndarray), f"must be an array, got {type(got).__name__}"
    assert got.shape == truth.shape, f"shape {got.shape}, must be {truth.shape}"
    assert got.dtype == truth.dtype, f"dtype {got.dtype}, must be {truth.dtype}"


def _assert_all(right, got, wanted, what):
    if not np.all(right):
        place = tuple(int(i) for i in np.argwhere(~np.atleast_1d(right))[0])
        wrong = int(np.count_nonzero(~np.atleast_1d(right)))
        first, right = np.atleast_1d(got)[place], np.atleast_1d(wanted)[place]
        raise AssertionError(f"{wrong} elements off by more than {what}; first at {place}: {first!r}, not {right!r}")


@dataclass(frozen=True)
class Bits:
    """Every bit equal, the sign of zero included; a NaN equals a NaN."""

    def check(self, got, truth32, exact):
        _same_kind(got, truth32)
        if got.dtype.kind == "f":
            words = np.dtype(f"u{got.dtype.itemsize}")
            same = (got.view(words) == truth32.view(words)) | (np.isnan(got) & np.isnan(truth32))
        else:
            same = got == truth32
        _assert_all(same, got, truth32, "nothing")


@dataclass(frozen=True)
class Ulps:
    """Within ``count`` units in the last place of the exact value, rounded to float32."""

    count: int

    def check(self, got, truth32, exact):
        _same_kind(got, truth32)
        with np.errstate(over="ignore"):
            wanted = exact.astype(np.float32)
        finite = np.isfinite(wanted)
        with np.errstate(invalid="ignore"):
            unit = np.spacing(np.abs(np.where(finite, wanted, 0)))
            near = np.abs(np.where(finite, got.astype(np.float64) - exact, 0)) <= self.count * unit
        same = np.where(finite, near, (got == wanted) | (np.isnan(got) & np.isnan(wanted)))
        _assert_all(same, got, wanted, f"{self.count} ulps")


@dataclass(frozen=True)
class Bound:
    """Within ``EPS * scale``, where scale is what the row derives from the exact inputs, element by element."""

    scale: np.ndarray

    def check(self, got, truth32, exact):
        _same_kind(got, truth32)
        near = np.abs(got - exact) <= EPS * self.scale + TINY
        _assert_all(near, got, exact, f"{EPS:.2g} times the derived scale")


def as_float64(value):
    """The value with every float32 array in it made float64."""
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    return value


def outputs_of(function, arguments, options, mutated=()):
    """All that a call gives, as a tuple of arrays: what it returns, and copies of the arguments that it changed."""
    own = [a.copy() if i in mutated else a for i, a in enumerate(arguments)]
    returned = function(*own, **options)
    if returned is None:
        returned = ()
    elif not isinstance(returned, tuple):
        returned = (returned,)
    return tuple(np.asarray(r) for r in returned if r is not None) + tuple(own[i] for i in mutated)
