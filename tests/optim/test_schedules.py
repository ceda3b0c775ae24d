"""Schedules against their formulas."""

import math

import pytest

from minidnn import schedules as s

# (schedule, step, rate by the formula)
VALUES = [
    (s.constant(0.3), 10**9, 0.3),
    (s.piecewise_constant([3, 5], [0.1, 0.01, 0.001]), 2, 0.1),
    (s.piecewise_constant([3, 5], [0.1, 0.01, 0.001]), 3, 0.01),
    (s.piecewise_constant([3, 5], [0.1, 0.01, 0.001]), 5, 0.001),
    (s.exponential(0.1, 1 / 10, 10_000), 0, 0.1),
    (s.exponential(0.1, 1 / 10, 10_000), 5_000, 0.1 * 10**-0.5),
    (s.exponential(0.1, 1 / 10, 10_000), 20_000, 0.001),
    (s.exponential(0.1, 1 / 10, 10_000, staircase=True), 9_999, 0.1),
    (s.exponential(0.1, 1 / 10, 10_000, staircase=True), 10_000, 0.01),
    (s.exponential(0.1, 1 / 10, 10_000, staircase=True), 19_999, 0.01),
    (s.power(0.5, 100), 300, 0.125),
    (s.power(0.5, 100, c=0.5), 300, 0.25),
    (s.inverse_time(1.0, 0.5, 10), 20, 0.5),
    (s.inverse_time(1.0, 0.5, 10, staircase=True), 29, 0.5),
    (s.cosine(1.0, 100), 0, 1.0),
    (s.cosine(1.0, 100), 50, 0.5),
    (s.cosine(1.0, 100, final=0.2), 1_000, 0.2),
    (s.cosine(1.0, 100, restarts=True), 100, 1.0),
    (s.cosine(1.0, 100, restarts=True), 10**9 + 50, 0.5),
    (s.cosine(1.0, 100, restarts=True, stretch=2, shrink=0.5), 100 + 100, 0.25),
    (s.cosine(1.0, 100, restarts=True, stretch=2, shrink=0.5), 300, 0.25),
    (s.one_cycle(1.0, 100), 0, 0.04),
    (s.one_cycle(1.0, 100), 30, 1.0),
    (s.one_cycle(1.0, 100), 15, (1 + 0.04) / 2),
    (s.one_cycle(1.0, 100), 500, 1e-4),
    (s.warm_up(10, s.exponential(1.0, 0.5, 10)), 0, 0.0),
    (s.warm_up(10, s.exponential(1.0, 0.5, 10)), 5, 0.5),
    (s.warm_up(10, s.exponential(1.0, 0.5, 10)), 20, 0.5),
    (s.join([s.constant(0.1), s.exponential(1.0, 0.5, 1)], [4]), 3, 0.1),
    (s.join([s.constant(0.1), s.exponential(1.0, 0.5, 1)], [4]), 6, 0.25),
]


@pytest.mark.parametrize(("schedule", "step", "rate"), VALUES)
def test_value(schedule, step, rate):
    assert math.isclose(schedule(step), rate, rel_tol=1e-12)


def test_every_schedule_has_a_row():
    public = {name for name, value in vars(s).items() if isinstance(value, type) and value.__module__ == s.__name__}
    assert public == {type(schedule).__name__ for schedule, _, _ in VALUES}


@pytest.mark.parametrize(
    ("first", "second"), [(s.power(0.1, 7, c=1.0), s.inverse_time(0.1, 1.0, 7)), (s.cosine(1.0, 5), s.cosine(1.0, 5))]
)
def test_schedules_that_are_the_same(first, second):
    assert all(math.isclose(first(step), second(step)) for step in range(50))


@pytest.mark.parametrize("schedule", [row[0] for row in VALUES])
def test_a_rate_is_a_finite_number_that_depends_on_the_step_alone(schedule):
    steps = [0, 1, 17, 10**6, 1, 0]
    rates = [schedule(step) for step in steps]
    assert all(isinstance(rate, float) and math.isfinite(rate) and rate >= 0 for rate in rates)
    assert rates[0] == rates[-1] and rates[1] == rates[-2]
    hash(repr(schedule))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: s.constant(-1.0), "constant: lr must be"),
        (lambda: s.piecewise_constant([3], [0.1]), "values has 1 rates, must have 2"),
        (lambda: s.piecewise_constant([3, 3], [0.1, 0.1, 0.1]), "must increase"),
        (lambda: s.exponential(math.nan, 0.1, 10), "initial must be"),
        (lambda: s.exponential(0.1, 0.0, 10), "decay_rate must be"),
        (lambda: s.exponential(0.1, 0.1, 0), "decay_steps must be"),
        (lambda: s.power(0.1, 10, c=-1), "c must be"),
        (lambda: s.inverse_time(math.inf, 1, 1), "initial must be"),
        (lambda: s.cosine(0.1, 0), "period must be"),
        (lambda: s.cosine(0.1, 10, stretch=0.5), "stretch must be"),
        (lambda: s.one_cycle(0.1, 100, warm=1.0), "warm must be"),
        (lambda: s.warm_up(0, s.constant(0.1)), "steps must be"),
        (lambda: s.join([s.constant(0.1)], [3]), "schedules has 1 entries, must have 2"),
    ],
)
def test_schedules_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
