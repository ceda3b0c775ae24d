"""Reshaping, indexing, padding, concatenation, and constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import embedding
from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.operators.products import layer_name
from minidnn.convert.onnx.reading import Operation
from minidnn.nn import functions
from minidnn.reference.types import Array


def _flatten(g: Importer, operation: Operation) -> None:
    axis, rank = operation.attributes.get("axis", 1), g.rank(operation)
    if not -rank <= axis <= rank:
        raise operation.refuse(f"axis is {axis}, x has {rank} axes")
    if axis == 1:
        g.layer(operation, nn.Flatten(), 2)
    else:
        g.emit(operation, functions.flatten(axis), [g.value(operation, 0)], 2)


def _reshape(g: Importer, operation: Operation) -> None:
    target = g.constant(operation, 1)
    if target is None or target.dtype.kind != "i" or target.ndim != 1:
        raise operation.refuse("shape must be a constant vector of integers")
    shape, rank = [int(n) for n in target], g.rank(operation)
    allow_zero = bool(operation.attributes.get("allowzero", 0))
    zeros = [i for i, n in enumerate(shape) if n == 0]
    if min(shape, default=0) < -1 or shape.count(-1) > 1 or (zeros and not allow_zero and zeros[-1] >= rank):
        raise operation.refuse(f"shape is {shape}, which is invalid for {rank} axes")
    x = g.constant(operation, 0)
    if x is not None:
        g.constants[operation.outputs[0]] = x.reshape(
            [x.shape[i] if n == 0 and not allow_zero else n for i, n in enumerate(shape)]
        )
    elif shape == [0, -1] and not allow_zero:
        g.layer(operation, nn.Flatten(), 2)
    else:
        g.emit(operation, functions.reshape(tuple(shape), allow_zero), [g.value(operation, 0)], len(shape))


def _concat(g: Importer, operation: Operation) -> None:
    axis, rank = operation.attributes["axis"], g.rank(operation)
    if not -rank <= axis < rank:
        raise operation.refuse(f"axis is {axis}, x has {rank} axes")
    inputs = [g.value(operation, place) for place in range(len(operation.inputs))]
    g.emit(operation, functions.concatenate(axis), inputs, rank)


def _identity(g: Importer, operation: Operation) -> None:
    known = g.constant(operation, 0)
    if known is None:
        g.alias(operation)
    else:
        g.constants[operation.outputs[0]] = known


def _constant(g: Importer, operation: Operation) -> None:
    g.constants[operation.outputs[0]] = operation.constant()


def _transpose(g: Importer, operation: Operation) -> None:
    rank = g.rank(operation)
    order = operation.attributes.get("perm")
    if order is not None and sorted(order) != list(range(rank)):
        raise operation.refuse(f"perm is {order}, x has {rank} axes")
    g.emit(operation, functions.transpose(order), [g.value(operation, 0)], rank)


def _slice(g: Importer, operation: Operation) -> None:
    rank = g.rank(operation)
    starts, ends = (g.integers(operation, place, name) for place, name in ((1, "starts"), (2, "ends")))
    axes = g.integers(operation, 3, "axes", list(range(len(starts or ()))))
    steps = g.integers(operation, 4, "steps", [1] * len(axes or ()))
    if starts is None or ends is None or axes is None or steps is None:
        raise operation.refuse("starts and ends are missing")
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise operation.refuse(f"starts {starts}, ends {ends}, axes {axes}, steps {steps} are invalid")
    _check_axes(operation, axes, rank)
    g.emit(operation, functions.slices(starts, ends, axes, steps), [g.value(operation, 0)], rank)


def _squeeze(g: Importer, operation: Operation) -> None:
    rank, axes = g.rank(operation), g.integers(operation, 1, "axes")
    if axes is None:
        raise operation.refuse("axes are missing; name the axes to remove")
    _check_axes(operation, axes, rank)
    g.emit(operation, functions.squeeze(axes), [g.value(operation, 0)], rank - len(axes))


def _unsqueeze(g: Importer, operation: Operation) -> None:
    axes = g.integers(operation, 1, "axes")
    if axes is None:
        raise operation.refuse("axes are missing")
    rank = g.rank(operation) + len(axes)
    _check_axes(operation, axes, rank)
    g.emit(operation, functions.unsqueeze(axes), [g.value(operation, 0)], rank)


def _check_axes(operation: Operation, axes: list[int], rank: int) -> None:
    if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) < len(axes):
        raise operation.refuse(f"axes are {axes}, must be distinct axes of {rank}")


def _gather(g: Importer, operation: Operation) -> None:
    axis, rank = operation.attributes.get("axis", 0), g.rank(operation)
    _check_axes(operation, [axis], rank)
    x, indices = g.constant(operation, 0), g.constant(operation, 1)
    out = rank - 1 + g.rank(operation, 1)
    if indices is None and x is not None and x.dtype.kind == "f" and x.ndim == 2 and axis in (0, -2):
        g.emit(operation, embedding(x), [g.value(operation, 1)], out, layer_name(operation, 0))
    elif indices is None:
        g.emit(operation, functions.gather(axis), [g.value(operation, 0), g.value(operation, 1)], out)
    else:
        function = functions.gather(axis, _indices(operation, indices))
        g.emit(operation, function, [g.value(operation, 0)], out)


def _gather_elements(g: Importer, operation: Operation) -> None:
    axis, rank = operation.attributes.get("axis", 0), g.rank(operation)
    _check_axes(operation, [axis], rank)
    indices = g.constant(operation, 1)
    if indices is None:
        g.emit(operation, functions.gather_elements(axis), [g.value(operation, 0), g.value(operation, 1)], rank)
    else:
        function = functions.gather_elements(axis, _indices(operation, indices))
        g.emit(operation, function, [g.value(operation, 0)], rank)


def _indices(operation: Operation, indices: Array) -> Any:
    if indices.dtype.kind != "i":
        raise operation.refuse(f"indices are {indices.dtype}, must be integers")
    return indices.tolist()


def _pad(g: Importer, operation: Operation) -> None:
    mode = operation.attributes.get("mode", b"constant")
    if mode != b"constant":
        raise operation.refuse(f"mode is {mode.decode(errors='replace')!r}, must be 'constant'")
    rank, pads = g.rank(operation), g.integers(operation, 1, "pads")
    axes = g.integers(operation, 3, "axes", list(range(rank)))
    value = g.constant(operation, 2) if g.has(operation, 2) else np.array(operation.attributes.get("value", 0.0))
    if pads is None or axes is None or len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        raise operation.refuse(f"pads are {pads}, must be a number >= 0 before and after each axis")
    if value is None or value.size != 1:
        raise operation.refuse("its value must be a constant number")
    _check_axes(operation, axes, rank)
    widths = [[0, 0] for _ in range(rank)]
    for place, axis in enumerate(axes):
        widths[axis] = [pads[place], pads[place + len(axes)]]
    g.emit(operation, functions.pad(widths, float(value.item())), [g.value(operation, 0)], rank)


ROWS: dict[str, Operator] = {
    "Concat": _concat,
    "Constant": _constant,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Identity": _identity,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
