"""The graph of a model: nodes and values, recorded from the tape of two passes in evaluation mode.

The passes have batches of 2 and of 3 random examples. A size that differs by this factor is the batch axis; any other
difference raises `TraceError`. During a pass the methods of `minidnn.array_access` raise, so that no number of an
example can decide which ops run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minidnn import kernels
from minidnn.array_access import CaptureError
from minidnn.nn.module import Module
from minidnn.nn.outputs import Outputs
from minidnn.nn.temporarily import Forward, forwards_wrapped, modes_kept
from minidnn.ops.arithmetic import Number
from minidnn.recording import mode, no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor

Shape = tuple[Any, ...]
"""Sizes of axes; that of the batch axis is a `Batch`."""

SIZES = (2, 3)


class TraceError(ValueError):
    """The model cannot be written as a graph; the message names the layer."""


class Batch(NamedTuple):
    """A number that is ``times`` the batch size."""

    times: int = 1


@dataclass(eq=False)
class Value:
    """An input or output of an op.

    Attributes:
        name: the path of a parameter or buffer, or the name of an input; "" for a constant or the output of an op.
        data: the model's array of a parameter, buffer or constant; None for a value that depends on the inputs.
        module: the module that holds the parameter or buffer.
    """

    shape: Shape
    name: str = ""
    data: Array | None = None
    module: Module | None = None
    dtype: Any = None

    @property
    def is_parameter(self) -> bool:
        return self.data is not None and bool(self.name)


@dataclass(eq=False)
class Node:
    """A call of an op.

    Attributes:
        op: its name, such as "dense".
        inputs: values and Python numbers.
        attributes: its settings; arrays and tensors among them are values.
        output: its result.
        path: the path of the layer that called it.
        layer: that layer.
    """

    op: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any]
    output: Value
    path: str
    layer: Module

    @property
    def where(self) -> str:
        """Its name in error messages."""
        return f"op {self.op} of {self.path or 'the model'}, a {self.layer.label}"


@dataclass(eq=False)
class Trace:
    """A model as a graph.

    Attributes:
        inputs: by name.
        nodes: in the order of execution.
        outputs: by name; "y" if the model returns a single tensor.
    """

    inputs: dict[str, Value]
    nodes: list[Node]
    outputs: dict[str, Value]

    def needed(self) -> list[Node]:
        """The nodes that some output depends on."""
        wanted = {id(value) for value in self.outputs.values()}
        kept = []
        for node in reversed(self.nodes):
            if id(node.output) in wanted:
                kept.append(node)
                wanted.update(id(part) for part in (*node.inputs, *node.attributes.values()))
        return kept[::-1]


def trace(
    model: Module, shapes: Mapping[str, Sequence[int]], dtype: Any = np.float32, others: Mapping[str, Any] | None = None
) -> Trace:
    """The graph of the model in evaluation mode.

    Args:
        shapes: input name -> its shape without the batch axis.
        dtype: the dtype of the inputs; inputs of an integer dtype are 0.
        others: input name -> its dtype, for inputs with another dtype.

    Raises:
        TraceError: the model computes outside of ops, or what it computes depends on the values of the batch.
        Exception: any error of the model for inputs of these shapes.
    """
    first, second = (
        _Pass(model, shapes, size, {name: (others or {}).get(name, dtype) for name in shapes}).run() for size in SIZES
    )
    return _Merge().traces(first, second)


class _Pass:
    """One pass: a watcher of the tape, and a recorder, which makes the methods of `minidnn.array_access` raise."""

    refused: Exception | None = None

    def __init__(
        self, model: Module, shapes: Mapping[str, Sequence[int]], size: int, dtypes: Mapping[str, Any]
    ) -> None:
        self.model, self.size = model, size
        rng = np.random.default_rng(size)
        spreads = {name: 2.0 if np.dtype(dtype).kind == "f" else 0.0 for name, dtype in dtypes.items()}
        self.xs = {
            name: Tensor(rng.uniform(-spreads[name], spreads[name], (size, *shape)).astype(dtypes[name]))
            for name, shape in shapes.items()
        }
        self.nodes: list[Node] = []
        self.values: dict[int, Value] = {}
        self.alive: list[Any] = []  # keeps the objects whose id is a key of `values`
        self.running: list[tuple[str, Module]] = [("", model)]

    def run(self) -> Trace:
        inputs = {name: self._know(x, Value(x.shape, name, dtype=x.dtype)) for name, x in self.xs.items()}
        watchers, mode.watchers = mode.watchers, (self.watch,)
        mode.tracing = True
        try:
            with no_grad(), modes_kept(self.model), self._float32(), forwards_wrapped(self.model, self._said):
                self.model.eval()
                with kernels.recording(self):
                    y = self.model.forward(*self.xs.values())
        except CaptureError as error:
            path, module = self.running[-1]
            raise TraceError(f"{path or 'the model'}, a {module.label}: {_reason(error)}") from error
        finally:
            mode.watchers, mode.tracing = watchers, False
        return Trace(inputs, self.nodes, {name: self.value(part) for name, part in _outputs(y).items()})

    def value(self, part: Tensor | Array) -> Value:
        """The value of a tensor or of its array; an unknown one is a constant."""
        if isinstance(part, Tensor) and id(part) not in self.values and id(part._data) in self.values:
            return self.values[id(part._data)]
        if id(part) not in self.values:
            array = part._data if isinstance(part, Tensor) else part
            self._know(part, Value(array.shape, data=array.copy(), dtype=array.dtype))
        return self.values[id(part)]

    def watch(self, result: Tensor, parents: tuple[Tensor, ...], op: str) -> None:
        attributes = result._attributes
        inputs: list[Any] = [parent.number if isinstance(parent, Number) else self.value(parent) for parent in parents]
        if op == "detach" or (op == "dropout" and "random" not in attributes and inputs[0].data is not None):
            self._know(result, inputs[0])
            return
        described = {name: self._described(value) for name, value in attributes.items()}
        output = self._know(result, Value(result.shape, dtype=result.dtype))
        if all(not isinstance(part, Value) or part.data is not None for part in (*inputs, *described.values())):
            output.data = result._data.copy()  # computed from constants only, such as a transposed kernel
        else:
            self.nodes.append(Node(op, tuple(inputs), described, output, *self.running[-1]))

    def _described(self, value: Any) -> Any:
        if isinstance(value, (Tensor, np.ndarray)):
            return self.value(value)
        if isinstance(value, (list, tuple)):
            return tuple(self._described(part) for part in value)
        return value

    def _know(self, part: Tensor | Array, value: Value) -> Value:
        self.alive.append(part)
        self.values[id(part)] = value
        if isinstance(part, Tensor):
            self.values[id(part._data)] = value
            self.alive.append(part._data)
        return value

    @contextmanager
    def _float32(self) -> Iterator[None]:
        """Context manager: makes values of the model's tensors, and converts floats to float32 during the pass."""
        owners = {id(t): m for _, m in self.model.named_modules() for t in _tensors_of(m)}
        before = [(name, tensor, tensor._data) for name, tensor in self.model.tensors().items()]
        try:
            for name, tensor, data in before:
                if data.dtype.kind == "f" and data.dtype != np.float32:
                    with np.errstate(over="ignore", invalid="ignore"):
                        tensor._data = data.astype(np.float32)
                self._know(tensor, Value(data.shape, name, data, owners.get(id(tensor)), data.dtype))
            with np.errstate(all="ignore"):
                yield
        finally:
            for _, tensor, data in before:
                tensor._data = data

    def _said(self, path: str, module: Module, forward: Forward) -> Forward:
        """Wraps a forward so that `running` names the layer while it runs."""

        def call(*xs: Any, **options: Any) -> Any:
            self.running.append((path, module))
            y = forward(*xs, **options)
            self.running.pop()
            return y

        return call

    # The interface of a recorder

    def call(self, truth: Any, compiled: Any, args: Any, settings: Any) -> Any:
        return compiled(*args, **settings) if compiled is not None else kernels.run_reference(truth, args, settings)

    def generator(self, generator: Any) -> None:
        raise CaptureError("capture: it draws random numbers in evaluation mode")

    def nothing(self, *_: Any, **__: Any) -> None:
        """Ignores what a trace does not need."""

    known = setting = born = leaf = module = assigned = forget_gradient = nothing


def _tensors_of(module: Module) -> Iterator[Tensor]:
    """The tensors of a module, without those of its parts."""
    inner = {id(tensor) for _, child in module.children() for tensor in child.tensors().values()}
    return (tensor for tensor in module.tensors().values() if id(tensor) not in inner)


def _reason(error: CaptureError) -> str:
    return str(error).removeprefix("capture: ").replace("one step, which a replay cannot repeat", "one example")


def _outputs(y: Any) -> dict[str, Tensor]:
    if isinstance(y, Tensor):
        return {"y": y}
    if isinstance(y, Outputs):
        return y.as_dict()
    return dict(y if isinstance(y, Mapping) else {f"y{i}": part for i, part in enumerate(y)})


@dataclass
class _Merge:
    """Merges two traces into one with a symbolic batch axis."""

    pairs: dict[int, Value] = field(default_factory=dict)
    where: str = "the model"

    def traces(self, a: Trace, b: Trace) -> Trace:
        if [node.op for node in a.nodes] != [node.op for node in b.nodes] or a.outputs.keys() != b.outputs.keys():
            raise TraceError("the model: which ops it runs depends on its inputs")
        inputs = {name: self.value(value, b.inputs[name]) for name, value in a.inputs.items()}
        nodes = [self._node(*both) for both in zip(a.nodes, b.nodes, strict=True)]
        self.where = "the output"
        return Trace(inputs, nodes, {name: self.value(value, b.outputs[name]) for name, value in a.outputs.items()})

    def _node(self, a: Node, b: Node) -> Node:
        self.where = a.where
        inputs = self.merged(a.inputs, b.inputs)
        for first, second in zip(a.inputs, b.inputs, strict=True):
            if not isinstance(first, Value) and first != second:
                raise self._differs("a number", first, second)
        attributes = self.merged(a.attributes, b.attributes)
        return Node(a.op, inputs, attributes, self.merged(a.output, b.output), a.path, a.layer)

    def value(self, a: Value, b: Value) -> Value:
        """Merges a value of both traces."""
        if id(b) not in self.pairs:
            if a.name != b.name:
                raise self._differs("a value", a.name, b.name)
            if a.data is not None and (b.data is None or not np.array_equal(a.data, b.data, equal_nan=_floats(a.data))):
                raise TraceError(
                    f"{self.where}: it reads numbers that no op made and that differ between batches; compute them "
                    "with minidnn.ops"
                )
            a.shape = self.merged(a.shape, b.shape)
            self.pairs[id(b)] = a
        if self.pairs[id(b)] is not a:
            raise TraceError(f"{self.where}: which values it reads depends on its inputs")
        return a

    def merged(self, a: Any, b: Any) -> Any:
        if isinstance(a, Value) and isinstance(b, Value):
            return self.value(a, b)
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            return tuple(self.merged(*both) for both in zip(a, b, strict=True))
        if isinstance(a, dict) and isinstance(b, dict):
            return {key: self.merged(a[key], b[key]) for key in a}
        if isinstance(a, slice) and isinstance(b, slice):
            return slice(*(self.merged(*both) for both in zip(_ends(a), _ends(b), strict=True)))
        if a is b or (type(a) is type(b) and a == b):
            return a
        if isinstance(a, int) and isinstance(b, int) and a * SIZES[1] == b * SIZES[0]:
            return Batch(a // SIZES[0])
        raise self._differs("a setting", a, b)

    def _differs(self, what: str, a: Any, b: Any) -> TraceError:
        return TraceError(f"{self.where}: {what} depends on the batch: {a} for {SIZES[0]} examples, {b} for {SIZES[1]}")


def _ends(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


def _floats(array: Array) -> bool:
    return array.dtype.kind == "f"


def reads_numbers(model: Module) -> bool:
    """Whether the first layer without parts takes row indices, as an embedding does."""
    first = next((part for _, part in model.named_modules() if not any(True for _ in part.children())), model)
    return getattr(first, "reads_numbers", False)


def width_of(model: Module) -> int | None:
    """The number of input columns: ``n_in`` or ``n`` of the first part that has one; None if none has.

    Also None if the first layer takes row indices, because it accepts any number of them.
    """
    if reads_numbers(model):
        return None
    for _, part in model.named_modules():
        for name in ("n_in", "n"):
            size = getattr(part, name, None)
            if isinstance(size, int) and not isinstance(size, bool) and size > 0:
                return size
    return None
