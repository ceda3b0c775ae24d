"""Exercises: a formula, an empty NumPy function to complete, and a check against the compiled kernel."""

from minidnn.learn.checking import Verdict, check, judge
from minidnn.learn.exercise import LEVELS, Exercise
from minidnn.learn.table import exercises, find

__all__ = ["LEVELS", "Exercise", "Verdict", "check", "exercises", "find", "judge"]
