"""Helpers of the tests: what the rows of the tables are made of, small data and models, where things lie."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
CHECKOUT = TESTS.parent
