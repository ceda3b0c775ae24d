"""The tape: a Tensor is an array that remembers how it was made, and so can tell its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.recording import Saved, freed, mode, replayable
from minidnn.reference.types import Array

Rule = Callable[[Array], tuple[Array | None, ...]]
"""A backward rule: the gradient of the output -> the gradients of the parents (None where none is wanted)."""


class Tensor:
    """An array on the tape.

    Args:
        data: an ndarray (kept as it is, not copied) or numbers, nested lists of numbers (floats become float32).
        requires_grad: whether `backward` shall leave the gradient in ``grad``; needs a floating dtype.

    Attributes:
        data: the ndarray. That of a recorded result is read-only; writing to a leaf that a recorded graph still needs
            is refused by `backward`. (Large leaves are watched by samples; `optim` and `load_state_dict` exactly.)
        grad: the gradient, an ndarray of the same shape and dtype, or None. `backward` adds to it.
        requires_grad: whether a gradient flows here.
        version: counts the changes made in place by this package.

    Raises:
        TypeError: data cannot be an array of numbers, or requires_grad with a dtype that is not floating.
    """

    __slots__ = ("__weakref__", "_backward", "_parents", "_saved", "data", "grad", "requires_grad", "version")
    __array_priority__ = 1000  # ndarray + Tensor asks the Tensor

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data: Array = _as_array(data)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"Tensor: requires_grad needs a floating dtype, data is {self.data.dtype}")
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self.version = 0
        self._parents: tuple[Tensor, ...] = ()
        self._backward: Rule | None = None
        self._saved: Sequence[Saved] = ()

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def op(self) -> str | None:
        """The op that made it, or None for a leaf."""
        if self._backward is None:
            return None
        return "freed" if self._backward is freed else self._backward.__qualname__.split(".")[0]

    def __repr__(self) -> str:
        parts = [f"shape={self.shape}", f"dtype={self.dtype}"]
        if self.size <= 8:
            parts.insert(0, np.array2string(self.data, precision=4, separator=", ").replace("\n", ""))
        if self.op:
            parts.append(f"op={self.op}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a Tensor without axes")
        return int(self.data.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def item(self) -> Any:
        """The one number in it, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item: the tensor has shape {self.shape}, must have one element")
        return self.data.item()

    def numpy(self) -> Array:
        """The data, not copied; read-only where it was recorded."""
        return self.data

    def detach(self) -> Tensor:
        """The same data off the tape."""
        return Tensor(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    # Gradients

    def backward(self, grad: Any = None, retain_graph: bool = False) -> None:
        """Adds the gradient of this tensor to ``grad`` of every leaf that requires one; then frees the graph.

        Args:
            grad: the gradient of this tensor, of its shape; 1 where it has a single element.
            retain_graph: keep the graph for another backward.

        Raises:
            ValueError: no ``grad`` for a tensor of several elements, or one of another shape.
            RuntimeError: nothing was recorded; the graph was freed; a value that it needs was changed in place.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: nothing to do, no input of this tensor requires a gradient")
        order = _topological_order(self)
        gradients = {id(self): _seed(self, grad)}
        owned: set[int] = set()
        for tensor in order:
            dy = gradients.pop(id(tensor), None)
            if dy is None:
                continue
            if tensor._backward is None:
                _leave(tensor, dy, owned)
                continue
            for parent, dparent in zip(tensor._parents, tensor._backward(dy), strict=True):
                if dparent is None or not parent.requires_grad:
                    continue
                before = gradients.get(id(parent))
                gradients[id(parent)] = dparent if before is None else plus(before, dparent)
        if not retain_graph:
            for tensor in order:
                if tensor._backward is not None:
                    tensor._backward, tensor._parents, tensor._saved = freed, (), ()

    def zero_grad(self) -> None:
        """Forgets the gradient."""
        self.grad = None

    # Operators: each is one line that names its op

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.divide(other, self)

    def __pow__(self, exponent: Any) -> Tensor:
        return ops.power(self, exponent)

    def __rpow__(self, base: Any) -> Tensor:
        return ops.power(base, self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index)

    def __lt__(self, other: Any) -> Tensor:
        return ops.arithmetic.compare(np.less, self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.arithmetic.compare(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.arithmetic.compare(np.greater, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.arithmetic.compare(np.greater_equal, self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.arithmetic.compare(np.equal, self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.arithmetic.compare(np.not_equal, self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    @property
    def T(self) -> Tensor:
        return ops.transpose(self)

    def transpose(self, *axes: int) -> Tensor:
        return ops.transpose(self, axes or None)

    def reshape(self, *shape: int) -> Tensor:
        return ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return ops.sum(self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return ops.mean(self, axis, keepdims)

    def var(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return ops.var(self, axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return ops.max(self, axis, keepdims)

    def min(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        return ops.min(self, axis, keepdims)

    def exp(self) -> Tensor:
        return ops.exp(self)

    def log(self) -> Tensor:
        return ops.log(self)

    def sqrt(self) -> Tensor:
        return ops.sqrt(self)

    def abs(self) -> Tensor:
        return ops.abs(self)

    def clip(self, low: float | None, high: float | None) -> Tensor:
        return ops.clip(self, low, high)


def record(data: Any, parents: tuple[Tensor, ...], backward: Rule, reads: tuple[Tensor, ...] = ()) -> Tensor:
    """The result of an op: on the tape if any parent requires a gradient.

    Args:
        data: what the op computed; never the array of a parent itself.
        parents: the tensors it was computed from, in the order of the rule's gradients.
        backward: the rule. It holds arrays, not tensors, and does not write to them.
        reads: the parents whose data the rule will read; they must not change until then.
    """
    result = Tensor.__new__(Tensor)
    result.data = data if isinstance(data, np.ndarray) else np.asarray(data)
    result.grad = None
    result.version = 0
    result._saved = ()
    if mode.recording and any([parent.requires_grad for parent in parents]):  # noqa: C419 - a list is faster here
        result.data.flags.writeable = False
        result.requires_grad = True
        result._parents = parents
        result._backward = backward
        if reads:
            result._saved = [Saved(t, t.data, t.version, kernels.fingerprint(t.data)) for t in reads]
    else:
        result.requires_grad = False
        result._parents = ()
        result._backward = None
    if watchers:
        for watch in watchers:
            watch(result, backward.__qualname__.split(".")[0])
    return result


watchers: list[Callable[[Tensor, str], None]] = []
"""Called with each recorded result and the name of its op; see `minidnn.training.nan_guard`."""


def as_tensor(value: Any) -> Tensor:
    """The value itself if it is a Tensor, else a new leaf without gradient."""
    return value if isinstance(value, Tensor) else Tensor(value)


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _as_array(data: Any) -> Array:
    if isinstance(data, Tensor):
        raise TypeError("Tensor: data is a Tensor already; use detach() for one off the tape")
    if isinstance(data, np.ndarray):
        array = data
    else:
        array = np.asarray(data)
        if array.dtype == np.float64 and not isinstance(data, np.floating):
            array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor: data must be numbers, got an array of {array.dtype}")
    return array


ONE = np.ones((), np.float32)
ONE.flags.writeable = False


def _seed(tensor: Tensor, grad: Any) -> Array:
    if grad is None:
        if tensor.size != 1:
            raise ValueError(
                f"backward: the tensor has shape {tensor.shape}; give backward() a gradient of that shape, or reduce "
                "the tensor to one element first"
            )
        return ONE if tensor.dtype == np.float32 and tensor.ndim == 0 else replayable(np.ones_like, tensor.data)
    seed = np.array(_plain(grad), dtype=tensor.dtype)
    if seed.shape != tensor.shape:
        raise ValueError(f"backward: grad has shape {seed.shape}, the tensor has {tensor.shape}: must be the same")
    return seed


def _topological_order(root: Tensor) -> list[Tensor]:
    """Every tensor that a gradient reaches, each before its parents. Iterative: graphs may be deep."""
    order: list[Tensor] = []
    visited: set[int] = set()
    stack: list[tuple[Tensor, bool]] = [(root, False)]
    while stack:
        tensor, parents_done = stack.pop()
        if parents_done:
            order.append(tensor)
        elif id(tensor) not in visited:
            visited.add(id(tensor))
            _check_usable(tensor)
            stack.append((tensor, True))
            stack.extend([(parent, False) for parent in tensor._parents if parent.requires_grad])
    order.reverse()
    return order


def _check_usable(tensor: Tensor) -> None:
    if tensor._backward is freed:
        raise RuntimeError(
            "backward: this graph was freed by an earlier backward(); pass retain_graph=True to the first, or compute "
            "the tensor again"
        )
    for saved in tensor._saved:
        if saved.changed():
            raise RuntimeError(
                f"backward: op {tensor.op} needs a value of shape {saved.array.shape} that was changed in place after "
                "it was recorded"
            )


def plus(a: Array, b: Array) -> Array:
    """``a + b``, by a kernel where there is one for it."""
    return kernels.add(a, b) if kernels.uniform(a, b) else replayable(np.add, a, b)


def _leave(leaf: Tensor, grad: Array, owned: set[int]) -> None:
    """Adds grad to the leaf's; never lets two leaves share one array."""
    if leaf.grad is not None:
        leaf.grad = plus(leaf.grad, grad)
    elif id(grad) in owned or isinstance(grad.base, np.ndarray) or not grad.flags.writeable:
        leaf.grad = replayable(np.ndarray.copy, grad)
    else:
        owned.add(id(grad))
        leaf.grad = grad


from minidnn import ops  # noqa: E402 - the ops need Tensor, its operators need the ops
