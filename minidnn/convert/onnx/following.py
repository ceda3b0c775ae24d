"""The state of a pass over the nodes of an ONNX graph in order, and the module that the pass builds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import ConversionError, dense, fill, fits, name_of
from minidnn.convert.onnx.reading import Attributes, Network, Operation
from minidnn.nn import functions
from minidnn.nn.initializers import deferred
from minidnn.reference.types import Array


@dataclass
class Step:
    """A node of the module under construction; `inputs` and `output` are values of the ONNX graph."""

    name: str
    part: Any
    inputs: list[str]
    output: str
    open: bool = False
    """Whether this is a product without a bias, to which one can be added."""


class Importer:
    """What the pass has found about each value.

    Attributes:
        opset: the operator set's version.
        constants: the constant values.
        ranks: the number of axes of each other value.
        kinds: the kinds of values that are "int" or "bool"; all others are "float".
    """

    def __init__(self, network: Network) -> None:
        self.opset = network.opset
        self.constants = dict(network.constants)
        self.ranks = dict(network.inputs)
        self.kinds = dict(network.kinds)
        self._inputs, self._outputs = list(network.inputs), list(network.outputs)
        self._uses = Counter(value for operation in network.operations for value in operation.inputs)
        self._uses.update(network.outputs)
        self._same: dict[str, str] = {}
        self._steps: dict[str, Step] = {}  # by output, in order
        self._names: dict[str, int] = {}  # how often each was requested
        self._called = {value: self.unique(value) for value in self._inputs}

    def check(self, operation: Operation) -> None:
        """Raises a ConversionError if an input is undefined or of the wrong kind, or a second output is used."""
        for place, value in enumerate(operation.inputs):
            if value and self.resolve(value) not in self.ranks and self.resolve(value) not in self.constants:
                raise operation.refuse(f"its input {value!r} is not an output of an earlier node")
            if value and self.resolve(value) in self.ranks and operation.layer is None:
                wanted = TAKES.get((operation.op, place), ("float",))
                if self.kind(value) not in wanted:
                    raise operation.refuse(f"{value!r} is {self.kind(value)}, must be {' or '.join(wanted)}")
        for extra in operation.outputs[1:]:
            if self._uses[extra]:
                raise operation.refuse(f"its output {extra!r} is not supported")

    # For the converters of operators

    def resolve(self, value: str) -> str:
        """The value that an Identity returns; other values are returned unchanged."""
        return self._same.get(value, value)

    def kind(self, value: str) -> str:
        """Whether a value is "float", "int" or "bool"."""
        return self.kinds.get(self.resolve(value), "float")

    def integers(
        self, operation: Operation, place: int, name: str, default: list[int] | None = None
    ) -> list[int] | None:
        """A vector of integers, such as axes: an attribute, or in newer operator sets a constant input."""
        if self.has(operation, place):
            known = self.constant(operation, place)
            if known is None or known.dtype.kind != "i" or known.ndim > 1:
                raise operation.refuse(f"{name} must be a constant vector of integers")
            return [int(n) for n in known.reshape(-1)]
        given = operation.attributes.get(name)
        return default if given is None else [int(n) for n in given]

    def constant(self, operation: Operation, place: int) -> Array | None:
        """The input at that place if it is a constant."""
        if place >= len(operation.inputs):
            return None
        return self.constants.get(self.resolve(operation.inputs[place]))

    def has(self, operation: Operation, place: int) -> bool:
        """Whether there is an input at that place."""
        return place < len(operation.inputs) and bool(operation.inputs[place])

    def rank(self, operation: Operation, place: int = 0) -> int:
        """The number of axes of the input at that place."""
        known = self.constant(operation, place)
        return self.ranks[self.resolve(operation.inputs[place])] if known is None else known.ndim

    def value(self, operation: Operation, place: int, trainable: bool | None = None) -> str:
        """The input at that place as a value of the module; a constant becomes an `nn.Weight`.

        By default it is trainable if it has more than one element, since a single element is a factor, not a weight.
        """
        value = self.resolve(operation.inputs[place])
        array = self.constants.get(value)
        if array is not None and value not in self._steps:
            if array.dtype.kind != "f":
                raise operation.refuse(f"{value!r} is a constant of {array.dtype}, must be floating-point")
            with deferred():
                weight = nn.Weight(array.shape, array.size > 1 if trainable is None else trainable)
            self._add(Step(self.unique(value), fill(weight, value=array), [], value))
        return value

    def alias(self, operation: Operation) -> None:
        """Makes the output another name of the input."""
        (value, *_), (output, *_) = operation.inputs, operation.outputs
        self._same[output] = self.resolve(value)
        self._uses[self.resolve(value)] += self._uses[output] - 1

    def emit(
        self, operation: Operation, part: Any, inputs: list[str], rank: int, called: str = "", kind: str = "float"
    ) -> Step:
        """Adds a step that computes the operation's output."""
        step = Step(self.unique(called or operation.name or operation.op.lower()), part, inputs, operation.outputs[0])
        self.ranks[step.output], self.kinds[step.output] = rank, kind
        return self._add(step)

    def layer(self, operation: Operation, layer: nn.Module, rank: int | None = None, called: str = "") -> None:
        """Adds a step that applies a layer to the first input; an activation moves into a dense layer before it."""
        value = self.value(operation, 0)
        before = self._alone(value)
        rank = self.rank(operation) if rank is None else rank
        if before and isinstance(before.part, nn.Dense) and before.part.activation is None and fits(layer):
            part = before.part
            self._replace(before, operation, dense(part.kernel.data, part.bias.data, name_of(layer)))
        else:
            self.emit(operation, layer, [value], rank, called)

    def add_bias(self, operation: Operation, value: str, bias: Array) -> bool:
        """Adds the bias to the product that computes the value; False if that is not possible."""
        before = self._alone(value)
        if not (before and before.open):
            return False
        n_out = before.part.n_out
        if bias.ndim > 2 or bias.shape[:-1] not in ((), (1,)) or bias.size not in (1, n_out):
            return False
        bias = np.broadcast_to(bias.reshape(-1), (n_out,))
        self._replace(before, operation, dense(before.part.kernel.data, bias))
        return True

    def unique(self, name: str) -> str:
        """A unique name without dots."""
        name = free = re.sub(r"[^\w-]+", "_", name).strip("_") or "node"
        while free in self._names:
            self._names[name] += 1
            free = f"{name}_{self._names[name]}"
        self._names[free] = 1
        return free

    # The module

    def _add(self, step: Step) -> Step:
        self._steps[step.output] = step
        return step

    def _alone(self, value: str) -> Step | None:
        """The step that computes a value, if the value is used only once."""
        return self._steps.get(value) if self._uses[value] == 1 else None

    def _replace(self, step: Step, operation: Operation, part: nn.Dense) -> None:
        self._steps.pop(step.output)
        self.ranks[operation.outputs[0]] = 2
        self._add(Step(step.name, part, step.inputs, operation.outputs[0]))

    def module(self) -> nn.Sequential | nn.Graph:
        """The module of the steps that the outputs need: a Sequential if they are a chain, else a Graph."""
        outputs = {name: self.resolve(name) for name in self._outputs}
        for output in outputs.values():
            if output in self.constants:
                self.value(Operation("Constant", "", [output], [output], Attributes()), 0)
        needed, steps = set(outputs.values()), []
        for step in reversed(self._steps.values()):
            if step.output in needed:
                needed.update(step.inputs)
                steps.append(step)
        steps.reverse()
        if len(outputs) > 1:
            steps += self._named(outputs, steps)
        for step in steps:
            if isinstance(step.part, nn.Module):
                step.part.name = step.name
        if len(outputs) == 1 and self._is_chain(steps, *outputs.values()):
            return nn.Sequential(*(step.part for step in steps)).eval()
        if not steps:
            raise ConversionError(f"from_onnx: the outputs {', '.join(outputs)} are inputs: nothing is computed")
        called = self._called | {step.output: step.name for step in steps}
        nodes = [nn.Node(step.name, step.part, [called[value] for value in step.inputs]) for step in steps]
        names = [called[value] for value in outputs.values()]
        return nn.Graph(nodes, [called[value] for value in self._inputs], names if len(names) > 1 else names[0]).eval()

    def _named(self, outputs: dict[str, str], steps: list[Step]) -> list[Step]:
        """Identity steps that give outputs their names; updates `outputs`, and renames other steps with such names."""
        added = []
        for name in outputs:
            self._names.setdefault(name, 1)
        own = {value: name for name, value in outputs.items()}  # a step takes the name of one of its outputs
        for step in steps:
            if step.name in outputs and own.get(step.output) != step.name:
                step.name = self.unique(step.name)
        taken = {step.name: step.output for step in steps} | {name: value for value, name in self._called.items()}
        for name, value in outputs.items():
            if taken.get(name) != value:
                step = Step(
                    self.unique(name) if "." in name else name,
                    functions.identity(),
                    [value],
                    f"{name}/named",
                )
                added.append(step)
                outputs[name] = step.output
        return added

    def _is_chain(self, steps: list[Step], output: str) -> bool:
        """Whether the steps are layers in a chain, from the only input to the output."""
        values = [*self._inputs, *(step.output for step in steps)]
        taken = [step.inputs for step in steps]
        layers = all(isinstance(step.part, nn.Module) for step in steps)
        chained = taken == [[value] for value in values[:-1]] and values[-1:] == [output]
        return len(self._inputs) == 1 and layers and chained


NUMBERS = ("float", "int")
TAKES = {
    **{
        (op, place): NUMBERS for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual") for place in (0, 1)
    },
    ("Cast", 0): ("float", "bool"),
    ("Gather", 1): ("int",),
    ("GatherElements", 1): ("int",),
    ("Identity", 0): ("float", "int", "bool"),
    ("Not", 0): ("bool",),
    ("Where", 0): ("bool",),
}
"""The kinds of values that an operator takes at a place; by default only floats."""

Operator = Callable[[Importer, Operation], None]
