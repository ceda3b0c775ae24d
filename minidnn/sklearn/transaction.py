"""A fit that fails leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def whole(estimator: Any) -> Iterator[None]:
    """Context manager: an error restores the estimator's attributes, so that classes and network match.

    Ctrl-C does not restore them: the partly trained network is kept.
    """
    before = dict(vars(estimator))
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
