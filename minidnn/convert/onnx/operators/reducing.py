"""Sums, means, maxima and minima over axes."""

from __future__ import annotations

from typing import Any

from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.reading import Operation
from minidnn.nn import functions


def _reduction(function: Any) -> Operator:
    def make(g: Importer, operation: Operation) -> None:
        rank, keepdims = g.rank(operation), bool(operation.attributes.get("keepdims", 1))
        axes = g.integers(operation, 1, "axes")
        keeps_all = operation.attributes.get("noop_with_empty_axes", 0)
        if not axes and keeps_all:
            g.alias(operation)
            return
        if axes and any(not -rank <= axis < rank for axis in axes):
            raise operation.refuse(f"axes are {axes}, x has {rank} axes")
        left = rank if keepdims else rank - len(axes) if axes else 0
        g.emit(operation, function(axes or None, keepdims), [g.value(operation, 0)], left)

    return make


ROWS: dict[str, Operator] = {
    "ReduceMax": _reduction(functions.max),
    "ReduceMean": _reduction(functions.mean),
    "ReduceMin": _reduction(functions.min),
    "ReduceSum": _reduction(functions.sum),
}
