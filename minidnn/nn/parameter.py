"""Parameters: the tensors that training changes."""

from __future__ import annotations

from typing import Any

from minidnn.tensor import Tensor


class Parameter(Tensor):
    """A leaf of the tape that requires a gradient; as an attribute of a `Module` it belongs to the model.

    Raises:
        TypeError: data is not of a floating dtype.
    """

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data, requires_grad=True)
