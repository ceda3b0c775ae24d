"""Conversion of arrays, dense or sparse, after scikit-learn's own checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from minidnn.data import ArrayDataset, Dataset
from minidnn.data.checksums import of_array
from minidnn.data.datasets import Change, checksums_of
from minidnn.data.targets import as_float32, as_targets
from minidnn.data.types import Indices
from minidnn.random import Generator

FLOATS = [np.float64, np.float32]
"""Accepted dtypes of X; any other is converted to the first."""


def validated(estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, sparse: bool = True) -> Any:
    """X as float64 or float32, and y as it is where it is given, checked by scikit-learn; sets ``n_features_in_``.

    Raises:
        TypeError, ValueError: as scikit-learn: not numbers, not finite, other columns than the estimator was fitted on.
    """
    options: dict[str, Any] = {"dtype": FLOATS, "accept_sparse": "csr" if sparse else False, "order": "C"}
    if isinstance(y, str) and y == "no_validation":
        return _plain(validate_data(estimator, X, reset=reset, **options))
    x, y = validate_data(estimator, X, y, reset=reset, multi_output=True, **options)
    return _plain(x), y


def _plain(x: Any) -> Any:
    """The array without NumPy subclasses, such as `numpy.memmap`."""
    return x if hasattr(x, "toarray") else np.asarray(x)


def generator_of(random_state: Any) -> Generator:
    """A generator seeded by scikit-learn's ``random_state``: None, an integer or a ``RandomState``."""
    return Generator(int(check_random_state(random_state).randint(np.iinfo(np.int64).max, dtype=np.int64)))


def narrowed(owner: str, x: Any) -> Any:
    """Examples, dense or sparse, as float32.

    Raises:
        ValueError: a number that float32 cannot hold.
    """
    if not hasattr(x, "toarray"):
        return as_float32(owner, "X", x)
    as_float32(owner, "X", x.data)
    return x.astype(np.float32, copy=False)


class Rows(Dataset):
    """Examples of float32 or float64, in the rows of an array or of a sparse matrix, whose batches become dense.

    Args:
        x: (n, n_in); a sparse one in SciPy's compressed rows.
        y, classes, columns: as for `data.ArrayDataset`.
    """

    def __init__(self, x: Any, y: Any = None, classes: Sequence[str] = (), columns: Sequence[str] = ()) -> None:
        self.x = x
        self.y = np.zeros(x.shape[0], np.int64) if y is None else as_targets("Rows", y, x.shape[0])
        self.classes, self.columns = tuple(classes), tuple(columns)

    def gather(self, order: Indices, change: Change | None = None) -> Any:
        x = self.x[order]
        x = x.toarray(order="C") if hasattr(x, "toarray") else x
        return change(x) if change else x

    def checksums(self) -> list[int]:
        parts = (self.x.data, self.x.indices, self.x.indptr) if hasattr(self.x, "toarray") else (self.x,)
        return [*(of_array(part) for part in parts), *checksums_of(self.y)]


def dataset_of(x: Any, y: Any, classes: Sequence[str] = (), columns: Sequence[str] = ()) -> Dataset:
    """A data set of examples and targets; dense float32 takes the fastest path."""
    dense = not hasattr(x, "toarray") and x.dtype == np.float32
    return (ArrayDataset if dense else Rows)(x, y, classes, columns)


def examples_of(x: Any) -> Any:
    """Examples without targets, as `training.predict` takes them."""
    return Rows(x) if hasattr(x, "toarray") else x
