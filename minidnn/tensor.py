"""The tape: a Tensor is an array that records how it was computed, so that `backward` can compute gradients.

The package reads ``_data`` and ``_grad``; all other code reads the properties ``data`` and ``grad``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.handle import Handle, as_array, numbers
from minidnn.leaves import gradient_of
from minidnn.operators import Operators
from minidnn.recording import Saved, mode
from minidnn.reference.types import Array

Rule = Callable[[Array], tuple[Array | None, ...]]
"""A backward rule: takes the gradient of the output, returns those of the parents (None: not needed)."""
_freed: Any = object()  # replaces the rule after the graph was freed


class Tensor(Operators):
    """An array on the tape.

    Args:
        data: an ndarray (not copied), a number, or nested lists of numbers (floats become float32).
        requires_grad: whether `backward` adds the gradient to ``grad``; needs a floating dtype.

    Attributes:
        data: the ndarray; read-only in a recorded result. `backward` raises if a leaf that the graph needs was changed
            in place. It checks a sample of a large leaf, but detects every change by `optim` and `load_state_dict`.
        grad: the gradient, an ndarray of the same shape and dtype, or None. `backward` adds to it.
        requires_grad: whether `backward` computes its gradient.
        op: the name of the op that computed it; None off the tape and for a leaf.
        version: the number of changes in place by this package.

    Raises:
        TypeError: data is not numbers, or requires_grad is set and the dtype is not floating.
    """

    __slots__ = ("__weakref__", "_attributes", "_backward", "_parents", "_saved", "version")

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._data: Array = numbers(data)
        if requires_grad and self._data.dtype.kind != "f":
            remedy = "pass np.asarray(data, np.float32)"
            raise TypeError(f"Tensor: requires_grad needs a floating dtype, data is {self._data.dtype}; {remedy}")
        self._grad: Array | None = None
        self.requires_grad = requires_grad
        self.version = 0
        self.op = None
        self._parents: tuple[Tensor, ...] = ()
        self._backward: Rule | None = None
        self._saved: Sequence[Saved] = ()
        self._attributes: dict[str, Any]  # set only while `nn.tracing` watches the tape
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.born(self)

    def detach(self) -> Tensor:
        """Returns a tensor with the same data, not copied, off the tape."""
        return record(self._data.view(), (self,), None, op="detach")

    def zero_grad(self) -> None:
        """Sets ``grad`` to None."""
        self.grad = None

    def backward(self, grad: Any = None, retain_graph: bool = False) -> None:
        """Adds the gradient of this tensor to ``grad`` of every leaf that requires one; then frees the graph.

        Args:
            grad: the gradient of this tensor, of the same shape; by default 1 for a tensor of one element.
            retain_graph: whether to keep the graph for another backward.

        Raises:
            ValueError: ``grad`` is missing for a tensor of several elements, or has another shape.
            RuntimeError: no input requires a gradient; the graph was freed; a value that it needs was changed in place.
        """
        if not self.requires_grad:
            remedy = "create one with requires_grad=True"
            raise RuntimeError(f"backward: nothing to do, no input of this tensor requires a gradient; {remedy}")
        order = _topological_order(self)
        gradients = {id(self): _seed(self, grad)}
        owned: set[int] = set()
        while order:
            tensor = order.pop()
            dy = gradients.pop(id(tensor), None)
            parents, rule = tensor._parents, tensor._backward
            if rule is not None and not retain_graph:
                tensor._backward, tensor._parents, tensor._saved = _freed, (), ()
            if dy is None:
                continue
            if rule is None:
                _leave(tensor, dy, owned)
                continue
            for parent, dparent in zip(parents, rule(dy), strict=True):
                if dparent is not None and parent.requires_grad:
                    before = gradients.get(id(parent))
                    gradients[id(parent)] = dparent if before is None else kernels.add(before, dparent)


def record(
    data: Any,
    parents: tuple[Tensor, ...],
    backward: Rule | None,
    reads: tuple[Tensor, ...] = (),
    *,
    op: str = "custom",
    **attributes: Any,
) -> Tensor:
    """The result of an op: on the tape if any parent requires a gradient.

    Args:
        data: what the op computed; must not be the array object of a parent.
        parents: the tensors that data was computed from, in the order of the rule's gradients.
        backward: the rule; it holds arrays, not tensors, and never writes to them. None keeps data off the tape.
        reads: the parents whose data the rule reads; they must not change before `backward`.
        op: the op's name.
        attributes: its settings, such as ``alpha=0.01``; kept only while `minidnn.nn.tracing` watches the tape.
    """
    result = Tensor.__new__(Tensor)
    result._data = data if isinstance(data, np.ndarray) else np.asarray(data)
    result._grad = None
    result.version = 0
    result._saved = ()
    taped = backward is not None and mode.recording
    if taped and any([parent.requires_grad for parent in parents]):  # noqa: C419 - a list is faster here
        result._data.flags.writeable = False
        result.requires_grad = True
        result.op = op
        result._parents = parents
        result._backward = backward
        if reads:
            result._saved = [Saved.of(tensor) for tensor in reads]
    else:
        result.requires_grad = False
        result.op = None
        result._parents = ()
        result._backward = None
    if watchers := mode.watchers:
        result._attributes = attributes
        for watch in watchers:
            watch(result, parents, op)
    return result


def as_tensor(value: Any) -> Tensor:
    """Returns the value itself if it is a Tensor, else a new leaf that requires no gradient."""
    return value if isinstance(value, Tensor) else Tensor(value)


def as_result(array: Array) -> Tensor:
    """Returns a tensor off the tape for an array that a kernel computed or that is an argument of a step."""
    return record(array.view(), (), None, op="constant")


_ONE = np.ones((), np.float32)
_ONE.flags.writeable = False


def _seed(tensor: Tensor, grad: Any) -> Array:
    if grad is None:
        if tensor.size != 1:
            remedy = "give backward() a gradient of that shape, or reduce the tensor to one element first"
            raise ValueError(f"backward: the tensor has shape {tensor.shape}; {remedy}")
        if tensor.dtype == np.float32 and tensor.ndim == 0:
            return kernels.known(_ONE, "1")
        return kernels.full_like(tensor._data, 1.0)
    if isinstance(grad, (Tensor, Handle)):
        seed = kernels.astype(as_array(grad), tensor.dtype.str)
    else:
        seed = np.array(grad, dtype=tensor.dtype)
    if seed.shape != tensor.shape:
        raise ValueError(f"backward: grad has shape {seed.shape}, the tensor has {tensor.shape}; they must be the same")
    return seed


def _topological_order(root: Tensor) -> list[Tensor]:
    """Every tensor that a gradient reaches, each after its parents. Iterative: recursion would limit the depth."""
    order: list[Tensor] = []
    visited: set[int] = set()
    stack: list[tuple[Tensor, bool]] = [(root, False)]
    while stack:
        tensor, parents_done = stack.pop()
        if parents_done:
            order.append(tensor)
        elif id(tensor) not in visited:
            visited.add(id(tensor))
            if tensor._backward is _freed:
                remedy = "pass retain_graph=True to the first, or compute the tensor again"
                raise RuntimeError(f"backward: this graph was freed by an earlier backward(); {remedy}")
            for saved in tensor._saved:
                saved.check(tensor.op)
            stack.append((tensor, True))
            stack.extend([(parent, False) for parent in tensor._parents if parent.requires_grad])
    return order


def _leave(leaf: Tensor, grad: Array, owned: set[int]) -> None:
    """Adds grad to the gradient of the leaf, in its dtype. Two leaves never share one array."""
    if grad.dtype != leaf._data.dtype:  # an op combined the leaf with another dtype
        grad = grad.astype(leaf._data.dtype)
    before = gradient_of(leaf)
    if before is not None:
        leaf._grad = kernels.add(before, grad)
    elif id(grad) in owned or isinstance(grad.base, np.ndarray) or not grad.flags.writeable:
        leaf._grad = kernels.copy(grad)
    else:
        owned.add(id(grad))
        leaf._grad = grad
