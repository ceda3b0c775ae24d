"""A fit that fails leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def whole(estimator: Any) -> Iterator[None]:
    """Within it an error gives the estimator back its attributes, so that classes and network are of one fit.

    Ctrl-C does not: the network that was being trained is kept.
    """
    before = dict(vars(estimator))
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
