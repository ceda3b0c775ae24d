"""Normalization, dropout and softmax."""

from __future__ import annotations

from minidnn import nn
from minidnn.convert.building import batch_norm, layer_norm
from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.operators.products import layer_name
from minidnn.convert.onnx.reading import Operation, as_float
from minidnn.nn import functions


def _batch_norm(g: Importer, operation: Operation) -> None:
    if operation.attributes.get("training_mode", 0):
        raise operation.refuse("training_mode is 1, must be 0 (inference)")
    if not operation.attributes.get("spatial", 1):
        raise operation.refuse("spatial is 0, must be 1")
    eps, momentum = operation.attributes.get("epsilon", 1e-5), operation.attributes.get("momentum", 0.9)
    vectors = [vector for place in range(1, 5) if (vector := g.constant(operation, place)) is not None]
    if len(vectors) == 4 and g.rank(operation) == 2:
        layer = batch_norm(*vectors, eps=eps, momentum=momentum)
        g.layer(operation, layer, called=layer_name(operation))
        return
    inputs = [g.value(operation, place, trainable=place < 3) for place in range(5)]
    g.emit(operation, functions.batch_norm(eps), inputs, g.rank(operation))


def _layer_norm(g: Importer, operation: Operation) -> None:
    axis, eps = operation.attributes.get("axis", -1), operation.attributes.get("epsilon", 1e-5)
    gamma, beta, rank = g.constant(operation, 1), g.constant(operation, 2), g.rank(operation)
    known = gamma is not None and gamma.ndim == 1 and (beta is not None or not g.has(operation, 2))
    if gamma is not None and known and rank == 2 and axis in (1, -1):
        g.layer(operation, layer_norm(gamma, beta, eps=eps), called=layer_name(operation))
        return
    if not -rank <= axis < rank:
        raise operation.refuse(f"axis is {axis}, x has {rank} axes")
    inputs = [g.value(operation, place) for place in range(len(operation.inputs)) if g.has(operation, place)]
    g.emit(operation, functions.layer_norm(axis, eps), inputs, rank)


def _dropout(g: Importer, operation: Operation) -> None:
    for place, what in ((1, "ratio"), (2, "training_mode")):
        if g.has(operation, place) and g.constant(operation, place) is None:
            raise operation.refuse(f"{what} must be a constant")
    ratio, training = g.constant(operation, 1), g.constant(operation, 2)
    if training is not None and training.any():
        raise operation.refuse("training_mode is true, must be false (inference)")
    g.layer(operation, nn.Dropout(operation.attributes.get("ratio", 0.5) if ratio is None else as_float(ratio.item())))


def _softmax(g: Importer, operation: Operation) -> None:
    rank = g.rank(operation)
    axis = operation.attributes.get("axis", -1 if g.opset >= 13 else 1)
    if not -rank <= axis < rank:
        raise operation.refuse(f"axis is {axis}, x has {rank} axes")
    last = axis in (-1, rank - 1)
    if g.opset < 13 and not last:
        raise operation.refuse("several axes at once, as before operator set 13, are not supported")
    log = operation.op == "LogSoftmax"
    if last:
        g.layer(operation, nn.LogSoftmax() if log else nn.Softmax())
    else:
        function = functions.log_softmax(axis) if log else functions.softmax(axis)
        g.emit(operation, function, [g.value(operation, 0)], rank)


ROWS: dict[str, Operator] = {
    "BatchNormalization": _batch_norm,
    "Dropout": _dropout,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _softmax,
    "Softmax": _softmax,
}
