"""All exercises, in order of difficulty."""

from __future__ import annotations

from functools import cache

from minidnn.checks import did_you_mean
from minidnn.learn.exercise import Exercise
from minidnn.learn.kernels_table import activation_exercises, updates
from minidnn.learn.layers import layer_exercises
from minidnn.learn.parts import part_exercises
from minidnn.learn.schedules_table import initializer_exercises, schedule_exercises


@cache
def exercises() -> tuple[Exercise, ...]:
    """All exercises, the easiest first."""
    found = [
        *activation_exercises(),
        *schedule_exercises(),
        *initializer_exercises(),
        *updates(),
        *layer_exercises(),
        *part_exercises(),
    ]
    return tuple(sorted(found, key=lambda exercise: (exercise.level, len(exercise.solution))))


def find(name: str) -> Exercise:
    """The exercise of that name.

    Raises:
        ValueError: there is none; the message suggests a similar name.
    """
    known = {exercise.name: exercise for exercise in exercises()}
    if name not in known:
        remedy = did_you_mean(name, known, "minidnn learn lists them")
        raise ValueError(f"learn: name is {name!r}, must be the name of an exercise; {remedy}")
    return known[name]
