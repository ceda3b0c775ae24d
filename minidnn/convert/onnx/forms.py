"""The form of each op in ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidnn.convert.building import ConversionError
from minidnn.convert.onnx.activations import ACTIVATIONS
from minidnn.convert.onnx.writing import TYPES, Writer, below
from minidnn.nn.tracing import Batch, Node, Value

Form = Callable[[Writer, Node], str]
"""Writes a node of the model's graph; returns the name of its output."""

END = 2**63 - 1
"""Stands for the end of an axis in Slice."""


def write(writer: Writer, node: Node) -> None:
    """Writes a node.

    Raises:
        ConversionError: its op has no form in ONNX.
    """
    form = FORMS.get(node.op)
    if form is None or "random" in node.attributes:
        raise refuse(node, "it has no form in ONNX" if form is None else "it draws random numbers in evaluation")
    if str(node.output.dtype) not in TYPES:
        raise refuse(node, f"its result is {node.output.dtype}, must be one of {', '.join(TYPES)}")
    writer.know(node.output, form(writer, node))


def refuse(node: Node, why: str) -> ConversionError:
    """The error for a node that cannot be written."""
    return ConversionError(f"to_onnx: {node.where}: {why}")


def _values(w: Writer, node: Node) -> list[str]:
    """The names of the node's inputs."""
    partner = next((part.dtype for part in node.inputs if isinstance(part, Value)), np.float32)
    return [w.value(node, part, partner) for part in node.inputs]


def _plain(op: str) -> Form:
    """One ONNX node with the inputs of the op."""
    return lambda w, node: w.node(op, w.path(node), *_values(w, node))


def _activation(w: Writer, node: Node) -> str:
    (x,) = _values(w, node)
    return ACTIVATIONS[node.op](w, w.path(node), x, node.attributes)


# Products and normalization


def _dense(w: Writer, node: Node) -> str:
    path = node.inputs[1].name.rpartition(".")[0] or node.path  # of the layer that holds the kernel
    x, kernel, bias = _values(w, node)
    transposed = {"transB": 1} if node.op == "dense_transposed" else {}
    y = w.node("Gemm", path, x, kernel, bias, **transposed)
    activation = node.attributes["activation"]
    if activation == "identity":
        return y
    return ACTIVATIONS[activation](w, below(path, "activation"), y, node.attributes)


def _dropout(w: Writer, node: Node) -> str:
    rate = w.number(node.path, "rate", node.attributes["rate"])
    return w.node("Dropout", w.path(node), *_values(w, node), rate)


def _batch_norm(w: Writer, node: Node) -> str:
    statistics = [w.value(node, node.attributes[name]) for name in ("mean", "var")]
    settings = {"epsilon": node.attributes["eps"], "momentum": float(getattr(node.layer, "momentum", 0.9))}
    return w.node("BatchNormalization", w.path(node), *_values(w, node), *statistics, **settings)


def _layer_norm(w: Writer, node: Node) -> str:
    x, gamma, beta = _values(w, node)
    path, eps = w.path(node), node.attributes["eps"]
    if w.opset >= 17:
        return w.node("LayerNormalization", path, x, gamma, beta, axis=-1, epsilon=eps)
    centred = w.node("Sub", path, x, _reduced(w, node, "ReduceMean", x, [-1], True))
    square = w.node("Mul", below(path, "square"), centred, centred)
    variance = _reduced(w, node, "ReduceMean", square, [-1], True)
    variance = w.node("Add", below(path, "var"), variance, w.number(path, "eps", eps))
    y = w.node("Div", below(path, "normal"), centred, w.node("Sqrt", below(path, "std"), variance))
    return w.node("Add", below(path, "y"), w.node("Mul", below(path, "scaled"), y, gamma), beta)


# Elementwise


def _clip(w: Writer, node: Node) -> str:
    bounds = [node.attributes["low"], node.attributes["high"]]
    dtype = node.output.dtype
    named = ["" if bound is None else w.number(node.path, "bound", bound, dtype) for bound in bounds]
    return w.node("Clip", w.path(node), *_values(w, node), *named)


def _where(w: Writer, node: Node) -> str:
    a, b, condition = node.inputs
    dtype = node.output.dtype
    chosen = w.value(node, condition)
    if condition.dtype != np.bool_:
        chosen = w.node("Cast", below(node.path, "condition"), chosen, to=9)
    return w.node("Where", w.path(node), chosen, w.value(node, a, dtype), w.value(node, b, dtype))


def _equal(w: Writer, node: Node) -> str:
    x, other = node.inputs
    if other is False and x.dtype == np.bool_:
        return w.node("Not", w.path(node), w.value(node, x))
    return w.node("Equal", w.path(node), *_values(w, node))


def _not_equal(w: Writer, node: Node) -> str:
    return w.node("Not", below(node.path, "not"), w.node("Equal", w.path(node), *_values(w, node)))


# Reductions


def _reduction(op: str) -> Form:
    def put(w: Writer, node: Node) -> str:
        (x,) = _values(w, node)
        return _reduced(w, node, op, x, _axes(node), bool(node.attributes["keepdims"]))

    return put


def _axes(node: Node) -> list[int] | None:
    axis = node.attributes["axis"]
    return None if axis is None else [axis] if isinstance(axis, int) else list(axis)


def _reduced(w: Writer, node: Node, op: str, x: str, axes: list[int] | None, keepdims: bool) -> str:
    path = w.path(node)
    if axes is None:
        return w.node(op, path, x, keepdims=int(keepdims))
    if w.opset >= (13 if op == "ReduceSum" else 18):
        return w.node(op, path, x, w.integers(node, "axes", axes), keepdims=int(keepdims))
    return w.node(op, path, x, axes=axes, keepdims=int(keepdims))


def _var(w: Writer, node: Node) -> str:
    (x,) = _values(w, node)
    axes = _axes(node)
    centred = w.node("Sub", below(node.path, "centred"), x, _reduced(w, node, "ReduceMean", x, axes, True))
    square = w.node("Mul", below(node.path, "square"), centred, centred)
    return _reduced(w, node, "ReduceMean", square, axes, bool(node.attributes["keepdims"]))


# Arrangement


def _reshape(w: Writer, node: Node) -> str:
    (x,) = _values(w, node)
    shape = node.attributes["shape"]
    if len(shape) == 2 and shape[0] == Batch() == node.inputs[0].shape[0] and math.prod(node.inputs[0].shape[1:]):
        return w.node("Flatten", w.path(node), x, axis=1)
    free = [n for n in shape if isinstance(n, Batch)]
    if len(free) > 1 or (free and 0 in shape):
        raise refuse(node, "several axes of the new shape depend on the batch")
    target = w.integers(node, "shape", [-1 if isinstance(n, Batch) else n for n in shape])
    return w.node("Reshape", w.path(node), x, target, **({"allowzero": 1} if 0 in shape and w.opset >= 14 else {}))


def _transpose(w: Writer, node: Node) -> str:
    axes = node.attributes["axes"]
    rank = len(node.output.shape)
    perm = list(range(rank))[::-1] if axes is None else [axis % rank for axis in axes]
    return w.node("Transpose", w.path(node), *_values(w, node), perm=perm)


def _concatenate(w: Writer, node: Node) -> str:
    return w.node("Concat", w.path(node), *_values(w, node), axis=node.attributes["axis"])


def _stack(w: Writer, node: Node) -> str:
    axis = w.integers(node, "axis", [node.attributes["axis"]])
    parts = [w.node("Unsqueeze", below(node.path, "part"), x, axis) for x in _values(w, node)]
    return w.node("Concat", w.path(node), *parts, axis=node.attributes["axis"])


def _pad(w: Writer, node: Node) -> str:
    widths = node.attributes["widths"]
    pads = w.integers(node, "pads", [before for before, _ in widths] + [after for _, after in widths])
    value = w.number(node.path, "value", node.attributes["value"], node.output.dtype)
    return w.node("Pad", w.path(node), *_values(w, node), pads, value)


def _gather(w: Writer, node: Node) -> str:
    axis, indices = node.attributes["axis"], node.attributes["indices"]
    x = node.inputs[0]
    if isinstance(indices, Value) and indices.data is not None and set(_without(indices.shape, axis)) <= {1}:
        same = w.integers(node, "indices", indices.data.ravel().tolist())
        return w.node("Gather", w.path(node), *_values(w, node), same, axis=axis)
    if not isinstance(indices, Value) or _without(indices.shape, axis) != _without(x.shape, axis):
        raise refuse(node, "indices must have the shape of x except along the axis, or be the same for each row")
    return w.node("GatherElements", w.path(node), *_values(w, node), w.value(node, indices), axis=axis)


def _without(shape: Sequence[Any], axis: int) -> list[Any]:
    return [n for i, n in enumerate(shape) if i != axis % len(shape)]


def _getitem(w: Writer, node: Node) -> str:
    """Slice, then Squeeze for integers, then Unsqueeze for None; or Gather for an array of integers."""
    index = node.attributes["index"]
    parts = list(index) if isinstance(index, tuple) else [index]
    (x,) = _values(w, node)
    if any(isinstance(part, Value) for part in parts):
        *before, last = parts
        if any(part != slice(None) for part in before) or last.dtype.kind not in "iu":
            raise refuse(node, "an array in its index must be of integers, the last part, and after full slices")
        return w.node("Gather", w.path(node), x, w.value(node, last), axis=len(before))
    if not all(part is None or part is Ellipsis or type(part) is int or isinstance(part, slice) for part in parts):
        raise refuse(node, "its index must be of slices, integers and arrays of integers")
    parts = _spelled_out(parts, len(node.inputs[0].shape))
    old = [part for part in parts if part is not None]
    cuts = [(axis, _as_slice(part)) for axis, part in enumerate(old) if part != slice(None)]
    if cuts:
        bounds = [_bounds(node, cut, node.inputs[0].shape[axis]) for axis, cut in cuts]
        starts, ends, steps = (list(column) for column in zip(*bounds, strict=True))
        named = {"starts": starts, "ends": ends, "axes": [axis for axis, _ in cuts], "steps": steps}
        x = w.node("Slice", w.path(node), x, *(w.integers(node, name, numbers) for name, numbers in named.items()))
    if away := [axis for axis, part in enumerate(old) if isinstance(part, int)]:
        x = w.node("Squeeze", below(node.path, "squeeze"), x, w.integers(node, "axes", away))
    kept = [part for part in parts if not isinstance(part, int)]
    if new := [axis for axis, part in enumerate(kept) if part is None]:
        x = w.node("Unsqueeze", below(node.path, "unsqueeze"), x, w.integers(node, "axes", new))
    return x if cuts or new else w.node("Identity", w.path(node), x)


def _spelled_out(parts: list[Any], rank: int) -> list[Any]:
    """The index with a full slice for every axis that is covered by an ellipsis or left out."""
    parts = parts if Ellipsis in parts else [*parts, Ellipsis]
    place = parts.index(Ellipsis)
    missing = rank - sum(part is not None and part is not Ellipsis for part in parts)
    return [*parts[:place], *[slice(None)] * missing, *parts[place + 1 :]]


def _as_slice(part: Any) -> slice:
    return slice(part, None if part == -1 else part + 1) if isinstance(part, int) else part


def _bounds(node: Node, cut: slice, size: Any) -> tuple[int, int, int]:
    step = 1 if cut.step is None else cut.step
    start = (0 if step > 0 else END) if cut.start is None else cut.start
    end = (END if step > 0 else -END) if cut.stop is None or (cut.stop == size and step > 0) else cut.stop
    if any(isinstance(n, Batch) for n in (start, end, step)):
        raise refuse(node, "its slice depends on the batch")
    return start, end, step


def _embedding(w: Writer, node: Node) -> str:
    indices = node.attributes["indices"]
    if not isinstance(indices, Value):
        raise refuse(node, "its indices must be a tensor")
    return w.node("Gather", w.path(node), *_values(w, node), w.value(node, indices), axis=0)


def _embedding_bag(w: Writer, node: Node) -> str:
    indices, padding = node.attributes["indices"], node.attributes["padding"]
    if node.attributes["offsets"] is not None or not isinstance(indices, Value):
        raise refuse(node, "offsets are not supported; indices must be a matrix, a bag in each row")
    path, places = w.path(node), w.value(node, indices)
    rows = w.node("Gather", path, *_values(w, node), places, axis=0)
    op = "ReduceMean" if node.attributes["mode"] == "mean" else "ReduceSum"
    if padding is None:
        return _reduced(w, node, op, rows, [1], False)
    missing = w.number(path, "padding", padding, indices.dtype)
    there = w.node("Not", below(path, "there"), w.node("Equal", below(path, "missing"), places, missing))
    mask = w.node("Cast", below(path, "mask"), there, to=1)
    wide = w.node("Unsqueeze", below(path, "wide"), mask, w.integers(node, "axis", [-1]))
    total = _reduced(w, node, "ReduceSum", w.node("Mul", below(path, "kept"), rows, wide), [1], False)
    if op == "ReduceSum":
        return total
    one = w.number(path, "one", 1.0)
    count = w.node("Max", below(path, "count"), _reduced(w, node, "ReduceSum", mask, [1], True), one)
    return w.node("Div", below(path, "mean"), total, count)


FORMS: dict[str, Form] = {
    "abs": _plain("Abs"),
    "add": _plain("Add"),
    "batch_norm_eval": _batch_norm,
    "clip": _clip,
    "concatenate": _concatenate,
    "dense": _dense,
    "dense_transposed": _dense,
    "divide": _plain("Div"),
    "dropout": _dropout,
    "embedding_bag": _embedding_bag,
    "embedding": _embedding,
    "equal": _equal,
    "erf": _plain("Erf"),
    "exp": _plain("Exp"),
    "gather": _gather,
    "getitem": _getitem,
    "greater": _plain("Greater"),
    "greater_equal": _plain("GreaterOrEqual"),
    "layer_norm": _layer_norm,
    "less": _plain("Less"),
    "less_equal": _plain("LessOrEqual"),
    "log": _plain("Log"),
    "log_softmax": lambda w, node: w.node("LogSoftmax", w.path(node), *_values(w, node), axis=-1),
    "matmul": _plain("MatMul"),
    "max": _reduction("ReduceMax"),
    "maximum": _plain("Max"),
    "mean": _reduction("ReduceMean"),
    "min": _reduction("ReduceMin"),
    "minimum": _plain("Min"),
    "multiply": _plain("Mul"),
    "negative": _plain("Neg"),
    "not_equal": _not_equal,
    "pad": _pad,
    "power": _plain("Pow"),
    "prelu": _plain("PRelu"),
    "reshape": _reshape,
    "softmax": lambda w, node: w.node("Softmax", w.path(node), *_values(w, node), axis=-1),
    "sqrt": _plain("Sqrt"),
    "stack": _stack,
    "subtract": _plain("Sub"),
    "sum": _reduction("ReduceSum"),
    "transpose": _transpose,
    "var": _var,
    "where": _where,
    **dict.fromkeys(ACTIVATIONS, _activation),
}
"""The form of each op that can be exported."""
