"""Layers connected by name, for models that are not a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from minidnn.checks import positive_integer
from minidnn.nn.initializers import Initializer, initialize
from minidnn.nn.module import Module
from minidnn.nn.outputs import Outputs
from minidnn.nn.parameter import Parameter
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor, as_tensor


@dataclass(frozen=True, eq=False)
class Node:
    """A step of a `Graph`.

    Args:
        name: the name of its value, and the prefix of its parameters: ``hidden1.kernel``.
        part: a layer, or a function such as ``nn.functions.add()``.
        inputs: the names of the values that it takes, in order.
    """

    name: str
    part: Callable[..., Tensor]
    inputs: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))


class Graph(Module):
    """Nodes that take each other's values by name, for residual, concatenating and multi-branch networks.

    ``nn.Graph([Node("h", nn.Dense(4, 4, "relu"), ["x"]), Node("y", nn.functions.add(), ["x", "h"])])`` is
    ``y = x + h``.

    Args:
        nodes: each takes inputs of the graph and values of earlier nodes.
        inputs: the names of the arguments of a call.
        output: the node whose value is y; None: the last node. With several names y is an `nn.Outputs`, a tuple that
            is also indexed by these names.

    Raises:
        TypeError: a node is not a Node, or its part is not callable.
        ValueError: there are no nodes; a name is empty, used twice or contains a dot; a node takes a value that no
            earlier node has; on call, the number of arguments is wrong.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        inputs: Sequence[str] = ("x",),
        output: str | Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name
        self.nodes, self.inputs = list(nodes), tuple(inputs)
        self.output = output if output is None or isinstance(output, str) else tuple(output)
        if not self.nodes:
            raise ValueError(f"{self.label}: nodes is empty, must hold at least one")
        known: set[str] = set()
        for called in self.inputs:
            self._learn(called, known)
        for i, node in enumerate(self.nodes):
            if not isinstance(node, Node) or not callable(node.part):
                raise TypeError(f"{self.label}: node {i} is {node!r}, must be a Node with a layer or a function")
            for taken in node.inputs:
                if taken not in known:
                    raise ValueError(f"{self.label}: node {node.name!r} takes {taken!r}, which no earlier node has")
            self._learn(node.name, known)
        if self.output is None:
            return
        wanted = self._wanted()
        if len(set(wanted)) < len(wanted) or not wanted:
            raise ValueError(f"{self.label}: output is {self.output!r}, must be at least one name, all different")
        for called in wanted:
            if called not in known:
                raise ValueError(f"{self.label}: output is {called!r}, which no node has")

    def _wanted(self) -> tuple[str, ...]:
        """The names of the outputs."""
        if isinstance(self.output, tuple):
            return self.output
        return (self.nodes[-1].name if self.output is None else self.output,)

    def _learn(self, called: Any, known: set[str]) -> None:
        if not isinstance(called, str) or not called or "." in called or called in known:
            raise ValueError(f"{self.label}: names must be distinct and without dots, got {called!r}")
        known.add(called)

    def children(self) -> Iterator[tuple[str, Module]]:
        return ((node.name, node.part) for node in self.nodes if isinstance(node.part, Module))

    def forward(self, *xs: Tensor) -> Any:
        values, wanted = self.values(*xs), self._wanted()
        if isinstance(self.output, tuple):
            return Outputs(wanted, (values[name] for name in wanted))
        return values[wanted[0]]

    def values(self, *xs: Any) -> dict[str, Tensor]:
        """The value of every input and node, by name."""
        if len(xs) != len(self.inputs):
            raise ValueError(f"{self.label}: takes {', '.join(self.inputs) or 'nothing'}, got {len(xs)} arguments")
        values = dict(zip(self.inputs, (as_tensor(x) for x in xs), strict=True))
        for node in self.nodes:
            run = node.part.forward if isinstance(node.part, Module) else node.part
            values[node.name] = run(*(values[taken] for taken in node.inputs))
        return values

    def __repr__(self) -> str:
        lines = "".join(f"{node.name} = {node.part!r}({', '.join(node.inputs)})\n" for node in self.nodes)
        return f"Graph({', '.join(self.inputs)} -> {', '.join(self._wanted())}:\n{indent(lines, '  ')})"


class Weight(Module):
    """A tensor as a layer: a node without inputs in a `Graph`.

    Args:
        shape: the shape of the tensor.
        trainable: True makes it a parameter, False a buffer, which is saved but not trained.
        initializer: a name or function of `minidnn.nn.initializers`.

    Attributes:
        value: the tensor.
    """

    def __init__(
        self,
        shape: Sequence[int],
        trainable: bool = True,
        initializer: str | Initializer = "zeros",
        name: str | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.name = name
        self.shape = tuple(positive_integer(self.label, "shape", n) for n in shape)
        self.trainable, self.initializer = trainable, initializer
        value = initialize(self.label, "initializer", initializer, self.shape, rng or default_generator())
        self.value = Parameter(value) if trainable else Tensor(value)

    def forward(self, *nothing: Tensor) -> Tensor:
        return self.value
