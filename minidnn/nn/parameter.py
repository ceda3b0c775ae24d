"""Parameters: the tensors that training changes."""

from __future__ import annotations

from typing import Any

from minidnn.nn.constraints import Constraint
from minidnn.nn.regularizers import Regularizer
from minidnn.tensor import Tensor


class Parameter(Tensor):
    """A leaf of the tape that requires a gradient; as an attribute of a `Module` it belongs to the model.

    Args:
        regularizer: its penalty, which `Module.regularization_loss` adds.
        constraint: applied after each step of an optimizer.
        owner: the name in error messages about regularizer and constraint, such as ``"Dense 'a': kernel"``.

    Raises:
        TypeError: the dtype of data is not floating; regularizer or constraint is neither a function nor None.
    """

    __slots__ = ("constraint", "owner", "regularizer")

    def __init__(
        self,
        data: Any,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
        owner: str | None = None,
    ) -> None:
        super().__init__(data, requires_grad=True)
        self.owner = owner
        self.regularizer = regularizer
        self.constraint = constraint
        given: Any
        for kind, given in (("regularizer", regularizer), ("constraint", constraint)):
            if given is not None and not callable(given):
                where = f"{owner}_{kind}" if owner else f"Parameter: {kind}"
                raise TypeError(f"{where} is {given!r}, must be a function of the parameter or None")
