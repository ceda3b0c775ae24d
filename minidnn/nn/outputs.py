"""Several outputs of a model, by index and by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class Outputs(tuple[Any, ...]):
    """A tuple with named parts: ``y[0]``, ``y["label"]``, ``label, place = y``.

    Args:
        names: the names of the parts, in order.
        parts: one per name.

    Raises:
        ValueError: the number of parts is not the number of names.
        KeyError: on ``y[name]``, the name is unknown.
    """

    names: tuple[str, ...]

    def __new__(cls, names: Sequence[str], parts: Iterable[Any]) -> Outputs:
        made = super().__new__(cls, parts)
        made.names = tuple(names)
        if len(made) != len(made.names):
            raise ValueError(
                f"Outputs: there are {len(made)} parts and {len(made.names)} names, the numbers must be equal"
            )
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.names, tuple(self)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, str):
            if place not in self.names:
                raise KeyError(f"{place!r}: the outputs are {', '.join(self.names)}")
            place = self.names.index(place)
        return super().__getitem__(place)

    def as_dict(self) -> dict[str, Any]:
        """The parts by name."""
        return dict(zip(self.names, self, strict=True))

    def like(self, parts: Iterable[Any]) -> Outputs:
        """Returns other parts with the same names."""
        return Outputs(self.names, parts)

    def __repr__(self) -> str:
        return f"Outputs({', '.join(f'{name}={part!r}' for name, part in self.as_dict().items())})"


def names_of(model: Any) -> tuple[str, ...]:
    """The names of a model's outputs, as its last part defines them; () for one output or unnamed outputs."""
    layers = getattr(model, "layers", None)
    if isinstance(layers, list) and layers:
        return names_of(layers[-1])
    output = getattr(model, "output", None)
    return output if isinstance(output, tuple) else ()


def alike(outputs: tuple[Any, ...] | list[Any], parts: Iterable[Any]) -> tuple[Any, ...]:
    """Returns other parts as a tuple, with the names of the outputs if they have any."""
    return outputs.like(parts) if isinstance(outputs, Outputs) else tuple(parts)
