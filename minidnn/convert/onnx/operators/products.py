"""Products of matrices."""

from __future__ import annotations

import numpy as np

from minidnn.convert.building import dense
from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.reading import Operation
from minidnn.nn import functions


def _gemm(g: Importer, operation: Operation) -> None:
    settings = functions.gemm(
        operation.attributes.get("alpha", 1.0),
        operation.attributes.get("beta", 1.0),
        bool(operation.attributes.get("transA", 0)),
        bool(operation.attributes.get("transB", 0)),
    )
    kernel, bias = g.constant(operation, 1), g.constant(operation, 2)
    if g.rank(operation) != 2 or g.rank(operation, 1) != 2:
        raise operation.refuse("both factors must be matrices")
    in_rows = bias is None or bias.ndim < 2 or bias.shape[0] == 1
    is_layer = kernel is not None and g.constant(operation, 0) is None and not settings.transpose_a and in_rows
    if kernel is None or not is_layer or (g.has(operation, 2) and bias is None):
        inputs = [g.value(operation, place) for place in range(len(operation.inputs)) if g.has(operation, place)]
        g.emit(operation, settings, inputs, 2)
        return
    kernel = (kernel.T if settings.transpose_b else kernel) * np.float32(settings.alpha)
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1) * np.float32(settings.beta), kernel.shape[1:])
    g.emit(operation, dense(kernel, bias), [g.value(operation, 0)], 2, layer_name(operation))


def _matmul(g: Importer, operation: Operation) -> None:
    kernel = g.constant(operation, 1)
    a, b = g.rank(operation), g.rank(operation, 1)
    if kernel is not None and a == b == 2 and g.constant(operation, 0) is None:
        step = g.emit(operation, dense(kernel), [g.value(operation, 0)], 2, layer_name(operation))
        step.open = True
        return
    rank = max(a, b) if min(a, b) > 1 else a + b - 2 if a == b == 1 else max(a, b) - 1
    g.emit(operation, functions.matmul(), [g.value(operation, 0), g.value(operation, 1)], rank)


def layer_name(operation: Operation, place: int = 1) -> str:
    """The layer's name in the name of the weights at that place, as in ``hidden1.weight``; "" if there is none."""
    layer, dot, _ = operation.inputs[place].rpartition(".")
    return layer if dot else ""


ROWS: dict[str, Operator] = {"Gemm": _gemm, "MatMul": _matmul}
