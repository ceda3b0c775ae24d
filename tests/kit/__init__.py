"""Helpers of the tests: rows of the tables of test cases, small data and models, paths."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
CHECKOUT = TESTS.parent
