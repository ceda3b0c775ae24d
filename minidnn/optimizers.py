"""The table of optimizer updates, one row each.

An update also has its formula in `minidnn.reference.optim`, a struct in ``csrc/kernels/optim.hpp`` with a line in
``table.hpp``, and a class in `minidnn.optim`. Kernels, the command line, the playground, tests and the bench are
derived from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Update:
    """The update of one parameter by the kernel ``NAME_step``.

    Attributes:
        name: the name of the update, and the value of ``minidnn train --optimizer``.
        kind: the class in `minidnn.optim`.
        options: the constructor's arguments for this update, if the class has several.
        title: its usual name, if that is not the name of the class.
        positive: the slots that are never negative, such as sums of squares.
        parts: further kernels, which run before the update.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    positive: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The title, or the name of the class."""
        return self.title or self.kind


UPDATES: dict[str, Update] = {
    row.name: row
    for row in (
        Update("sgd", "SGD"),
        Update("momentum", "SGD", {"momentum": 0.9}, "Momentum"),
        Update("nesterov", "SGD", {"momentum": 0.9, "nesterov": True}, "Nesterov"),
        Update("adagrad", "Adagrad", positive=("accumulator",)),
        Update("rmsprop", "RMSprop", positive=("s",)),
        Update("rmsprop_momentum", "RMSprop", {"momentum": 0.9}, "RMSprop with momentum", positive=("s",)),
        Update("rmsprop_centered", "RMSprop", {"centered": True}, "RMSprop, centered", positive=("s",)),
        Update("adadelta", "Adadelta", positive=("s", "delta")),
        Update("adam", "Adam", positive=("v",)),
        Update("amsgrad", "Adam", {"amsgrad": True}, "AMSGrad", positive=("v", "v_max")),
        Update("adamw", "AdamW", positive=("v",)),
        Update("nadam", "NAdam", positive=("v",)),
        Update("adamax", "Adamax", positive=("u",)),
        Update("lion", "Lion"),
        Update("ftrl", "FTRL", positive=("accumulator",)),
        Update("adagrad_da", "AdagradDA", positive=("accumulator",)),
        Update("radam", "RAdam", positive=("v",)),
        Update("lars", "LARS"),
        Update("lamb", "LAMB", positive=("v",)),
        Update("adafactor", "Adafactor", parts=("adafactor_mean", "adafactor_direction")),
    )
}
"""Every update by name."""

KERNELS = tuple(f"{name}_step" for row in UPDATES.values() for name in (row.name, *row.parts))
"""The names of their kernels and references."""
