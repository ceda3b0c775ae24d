"""One weight per example from ``sample_weight`` and ``class_weight``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from minidnn.reference.types import Array


def sample_weights(sample_weight: Any, x: Any) -> Array | None:
    """The weights as float64 (n,), or None.

    Raises:
        ValueError: another shape, a weight that is negative or not finite, all of them 0.
    """
    if sample_weight is None:
        return None
    weights: Array = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight: all weights are zero, must be positive for one example at least")
    return weights


def by_class(class_weight: Any, classes: Array, codes: Array, weights: Array | None) -> Array | None:
    """The product of each example's weight and that of its class.

    Args:
        class_weight: None; class -> weight, 1 where one is missing; or "balanced": ``total / (classes * of_class)``,
            where total and of_class are sums of the examples' weights (King & Zeng 2001), so an integer weight has the
            same effect as repetitions.
        classes: the classes that the codes stand for.
        codes: the class number of each example.

    Raises:
        TypeError, ValueError: another type of class_weight, an unknown class, a weight that is negative or not finite.
    """
    if class_weight is None:
        return weights
    own = np.ones(len(codes)) if weights is None else weights
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.bincount(codes, weights=own, minlength=len(classes))
        table = own.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
        return own * table[codes]
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight is {class_weight!r}, must be None, 'balanced' or a dict class -> weight")
    known = {label: place for place, label in enumerate(classes.tolist())}
    table = np.ones(len(classes))
    for label, weight in class_weight.items():
        if label not in known:
            raise ValueError(f"class_weight has the class {label!r}; there are {', '.join(map(str, known))}")
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"class_weight[{label!r}] is {weight!r}, must be finite and at least 0")
        table[known[label]] = weight
    product = own * table[codes]
    if not product.any():
        raise ValueError("class_weight: all weights are zero, must be positive for one example at least")
    return product
