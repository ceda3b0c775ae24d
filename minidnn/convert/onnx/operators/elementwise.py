"""Elementwise arithmetic and comparisons, Cast and Where."""

from __future__ import annotations

from typing import Any

from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.reading import Operation, as_float
from minidnn.nn import functions

FLOAT, BOOL = 1, 9
"""ONNX's codes for these dtypes."""


def _add(g: Importer, operation: Operation) -> None:
    for place in (0, 1):
        bias = g.constant(operation, 1 - place)
        if bias is not None and g.add_bias(operation, g.resolve(operation.inputs[place]), bias):
            return
    _elementwise(g, operation, functions.add())


def _elementwise(g: Importer, operation: Operation, function: Any, kind: str = "float") -> None:
    places = range(len(operation.inputs))
    rank = max(g.rank(operation, place) for place in places)
    g.emit(operation, function, [g.value(operation, place) for place in places], rank, kind=kind)


def _of(function: Any) -> Operator:
    return lambda g, operation: _elementwise(g, operation, function)


def _compares(function: Any) -> Operator:
    def make(g: Importer, operation: Operation) -> None:
        kinds = {g.kind(value) for value in operation.inputs if g.resolve(value) in g.ranks}
        if len(kinds) > 1:
            raise operation.refuse(f"it compares {' with '.join(sorted(kinds))}, must be of one kind")
        rank = max(g.rank(operation, 0), g.rank(operation, 1))
        inputs = [g.value(operation, place, trainable=False) for place in (0, 1)]
        g.emit(operation, function, inputs, rank, kind="bool")

    return make


def _pow(g: Importer, operation: Operation) -> None:
    exponent = g.constant(operation, 1)
    if exponent is not None and exponent.ndim == 0 and g.constant(operation, 0) is None:
        function = functions.power(as_float(exponent.item()))
        g.emit(operation, function, [g.value(operation, 0)], g.rank(operation))
    else:
        _elementwise(g, operation, functions.power())


def _not(g: Importer, operation: Operation) -> None:
    g.emit(operation, functions.logical_not(), [g.value(operation, 0)], g.rank(operation), kind="bool")


def _where(g: Importer, operation: Operation) -> None:
    if g.constant(operation, 0) is not None:
        raise operation.refuse("its condition is a constant, must be computed")
    inputs = [g.value(operation, 0), *(g.value(operation, place, trainable=False) for place in (1, 2))]
    g.emit(operation, functions.where(), inputs, max(g.rank(operation, place) for place in range(3)))


def _cast(g: Importer, operation: Operation) -> None:
    to, known = operation.attributes["to"], g.constant(operation, 0)
    if known is not None:
        raise operation.refuse("its input is a constant, must be computed")
    if to not in (FLOAT, BOOL):
        raise operation.refuse(f"to is {to}, must be float32 ({FLOAT}) or bool ({BOOL})")
    before, after = g.kind(operation.inputs[0]), "float" if to == FLOAT else "bool"
    if before == after:
        g.alias(operation)
        return
    function = functions.indicator() if after == "float" else functions.truth()
    g.emit(operation, function, [g.value(operation, 0)], g.rank(operation), kind=after)


ROWS: dict[str, Operator] = {
    "Abs": _of(functions.abs()),
    "Add": _add,
    "Cast": _cast,
    "Div": _of(functions.divide()),
    "Equal": _compares(functions.equal()),
    "Erf": _of(functions.erf()),
    "Exp": _of(functions.exp()),
    "Greater": _compares(functions.greater()),
    "GreaterOrEqual": _compares(functions.greater_equal()),
    "Less": _compares(functions.less()),
    "LessOrEqual": _compares(functions.less_equal()),
    "Log": _of(functions.log()),
    "Max": _of(functions.maximum()),
    "Min": _of(functions.minimum()),
    "Mul": _of(functions.multiply()),
    "Neg": _of(functions.negative()),
    "Not": _not,
    "Pow": _pow,
    "Reciprocal": _of(functions.reciprocal()),
    "Sqrt": _of(functions.sqrt()),
    "Sub": _of(functions.subtract()),
    "Sum": _of(functions.add()),
    "Where": _where,
}
