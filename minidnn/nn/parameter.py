"""Parameters: the tensors that training changes."""

from __future__ import annotations

from typing import Any

from minidnn.nn.constraints import Constraint
from minidnn.nn.regularizers import Regularizer
from minidnn.tensor import Tensor


class Parameter(Tensor):
    """A leaf of the tape that requires a gradient; as an attribute of a `Module` it belongs to the model.

    Args:
        regularizer: its penalty, part of `Module.regularization_loss`.
        constraint: what an optimizer's step restores.

    Raises:
        TypeError: data is not of a floating dtype.
    """

    __slots__ = ("constraint", "regularizer")

    def __init__(self, data: Any, regularizer: Regularizer | None = None, constraint: Constraint | None = None) -> None:
        super().__init__(data, requires_grad=True)
        self.regularizer = regularizer
        self.constraint = constraint
