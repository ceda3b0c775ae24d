"""Exercises on learning-rate schedules and on initial values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidnn import nn, schedules
from minidnn.learn.exercise import Answer, Exercise, Functions
from minidnn.learn.mistakes import mistaken
from minidnn.nn.initializers import INITIALIZERS, variance_scaling
from minidnn.random import Generator

_SCHEDULES: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
    "exponential": (
        "def exponential(step, initial, decay_rate, decay_steps):\n"
        '    """initial * decay_rate ** (step / decay_steps)"""\n'
        "    return initial * decay_rate ** (step / decay_steps)",
        [(0.1, 0.1, 500), (1.0, 0.5, 7)],
    ),
    "power": (
        "def power(step, initial, decay_steps, c):\n"
        '    """initial * (1 + step / decay_steps) ** -c"""\n'
        "    return initial * (1 + step / decay_steps) ** -c",
        [(0.1, 100, 1.0), (1.0, 7, 0.5)],
    ),
    "inverse_time": (
        "def inverse_time(step, initial, decay_rate, decay_steps):\n"
        '    """initial / (1 + decay_rate * step / decay_steps)"""\n'
        "    return initial / (1 + decay_rate * (step / decay_steps))",
        [(0.1, 1.0, 100), (1.0, 0.5, 7)],
    ),
    "piecewise_constant": (
        "def piecewise_constant(step, boundaries, values):\n"
        '    """values[i] while boundaries[i - 1] <= step < boundaries[i]"""\n'
        "    return values[sum(step >= boundary for boundary in boundaries)]",
        [((5, 13), (0.1, 0.01, 0.001)), ((100,), (1.0, 0.5))],
    ),
    "cosine": (
        "def cosine(step, initial, period, final):\n"
        '    """final + (initial - final) * (1 + cos(pi * t)) / 2 with t = step / period, at most 1"""\n'
        "    t = min(step / period, 1)\n"
        "    return final + (initial - final) * (1 + math.cos(math.pi * t)) / 2",
        [(0.1, 100, 0.001), (1.0, 13, 0.0)],
    ),
}


def schedule_exercises() -> Iterator[Exercise]:
    """The schedules that are a single formula."""
    for name, (solution, settings) in _SCHEDULES.items():
        schedule = getattr(schedules, name)
        yield Exercise(
            name,
            1 if "\n    t = " not in solution else 2,
            f"A learning-rate schedule: a function of step, the number of updates already made.\n\n"
            f"{(inspect.getdoc(schedule) or '').partition(chr(10) + chr(10) + 'Args')[0].replace('``', '')}",
            solution,
            "Use plain Python numbers; step / decay_steps is not an integer division.",
            _rates(name, settings),
            {name: lambda step, *setting, make=schedule: make(*setting)(step)},
            mistaken(solution),
            imports="import math",
        )


def _rates(name: str, settings: list[tuple[Any, ...]]) -> Callable[[Functions], Iterator[Answer]]:
    def answers(functions: Functions) -> Iterator[Answer]:
        for setting in settings:
            for step in (0, 1, 5, 12, 13, 99, 100, 101, 1000):
                rate = functions[name](step, *setting)
                yield f"{name}{setting}, step {step}: lr", None if rate is None else np.asarray(rate, np.float64)

    return answers


def initializer_exercises() -> Iterator[Exercise]:
    """The initializers that scale a variance by the fan: Glorot, He, LeCun."""
    for name, initializer in INITIALIZERS.items():
        if not isinstance(initializer, variance_scaling):
            continue
        fan = "n_in" if initializer.fan == "in" else "(n_in + n_out) / 2"
        variance = f"{initializer.scale:g} / {fan}" if initializer.fan == "in" else f"{initializer.scale:g} / ({fan})"
        if initializer.distribution == "normal":
            body = f"    return rng.normal(shape, 0.0, math.sqrt({variance}))"
        else:
            body = f"    limit = math.sqrt(3 * {variance})\n    return rng.uniform(shape, -limit, limit)"
        doc = '"""Returns a kernel of that shape, float32."""'
        solution = f"def {name}(shape, rng):\n    {doc}\n    n_in, n_out = shape\n{body}"
        mean = "uniform in [-limit, limit)" if initializer.distribution == "uniform" else "normal, not truncated"
        yield Exercise(
            name,
            2,
            f"Initial weights of mean 0 and variance {variance}, {mean}, for a kernel of shape (n_in, n_out).\n\n"
            "rng is a minidnn.Generator: rng.normal(shape, mean, std) and rng.uniform(shape, low, high).",
            solution,
            "A uniform number in [-limit, limit) has the variance limit**2 / 3; std is the root of the variance.",
            _values(name),
            {name: getattr(nn.initializers, name)},
            mistaken(solution),
            imports="import math",
        )


def _values(name: str) -> Callable[[Functions], Iterator[Answer]]:
    def answers(functions: Functions) -> Iterator[Answer]:
        for shape in ((3, 5), (100, 10), (1, 40)):
            yield f"{name}, shape {shape}: kernel", functions[name](shape, Generator(shape[0]))

    return answers
