"""Activations and Clip."""

from __future__ import annotations

import numpy as np

from minidnn import nn
from minidnn.activations import ACTIVATIONS
from minidnn.convert.building import prelu
from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.operators.products import layer_name
from minidnn.convert.onnx.reading import Attributes, Operation
from minidnn.nn import functions
from minidnn.reference.activations import SELU_ALPHA, SELU_SCALE


def _elu(g: Importer, operation: Operation) -> None:
    g.layer(operation, nn.ELU(positive(operation, "alpha", operation.attributes.get("alpha", 1.0))))


def _leaky_relu(g: Importer, operation: Operation) -> None:
    alpha = operation.attributes.get("alpha", 0.01)
    g.layer(operation, nn.LeakyReLU(positive(operation, "alpha", alpha)) if alpha else nn.ReLU())


def _selu(g: Importer, operation: Operation) -> None:
    alpha = positive(operation, "alpha", operation.attributes.get("alpha", SELU_ALPHA))
    gamma = operation.attributes.get("gamma", SELU_SCALE)
    if np.allclose([alpha, gamma], [SELU_ALPHA, SELU_SCALE], rtol=1e-6, atol=0):
        g.layer(operation, nn.SELU())
        return
    name, (x, y) = operation.name or "selu", (operation.inputs[0], operation.outputs[0])
    g.constants[f"{y}/gamma"], rank = np.array(gamma, np.float32), g.rank(operation)
    elu = g.emit(Operation("Elu", name, [x], [f"{y}/elu"], Attributes()), nn.ELU(alpha), [g.value(operation, 0)], rank)
    scaled = Operation("Mul", name, [elu.output, f"{y}/gamma"], [y], Attributes())
    g.emit(scaled, functions.multiply(), [elu.output, g.value(scaled, 1, trainable=False)], rank)


def _prelu(g: Importer, operation: Operation) -> None:
    slopes = g.constant(operation, 1)
    if slopes is not None and slopes.size > 1 and slopes.size == slopes.shape[-1] and slopes.ndim <= g.rank(operation):
        g.layer(operation, prelu(slopes), called=layer_name(operation))
    else:
        inputs = [g.value(operation, 0), g.value(operation, 1, trainable=True)]
        g.emit(operation, functions.prelu(), inputs, g.rank(operation))


def _clip(g: Importer, operation: Operation) -> None:
    low, high = (_bound(g, operation, *bound) for bound in ((1, "min"), (2, "max")))
    if low is not None and high is not None and low > high:
        raise operation.refuse(f"min is {low}, must be at most max ({high})")
    known: dict[tuple[float | None, float | None], type[nn.Module]] = {(0.0, 6.0): nn.ReLU6, (-1.0, 1.0): nn.Hardtanh}
    if (low, high) in known:
        g.layer(operation, known[low, high]())
    else:
        g.emit(operation, functions.clip(low, high), [g.value(operation, 0)], g.rank(operation))


def _bound(g: Importer, operation: Operation, place: int, attribute: str) -> float | None:
    if g.opset < 11:  # bounds were attributes
        return operation.attributes.get(attribute)
    if not g.has(operation, place):
        return None
    bound = g.constant(operation, place)
    if bound is None or bound.size != 1:
        raise operation.refuse("its bounds must be constant numbers")
    return float(bound.reshape(()))


def _hardsigmoid(g: Importer, operation: Operation) -> None:
    alpha, beta = operation.attributes.get("alpha", 0.2), operation.attributes.get("beta", 0.5)
    if np.float32(alpha) != np.float32(1 / 6) or beta != 0.5:
        raise operation.refuse(f"alpha is {alpha} and beta {beta}, must be 1/6 and 0.5")
    g.layer(operation, nn.Hardsigmoid())


def _celu(g: Importer, operation: Operation) -> None:
    g.layer(operation, nn.CELU(positive(operation, "alpha", float(operation.attributes.get("alpha", 1.0)))))


def _thresholded_relu(g: Importer, operation: Operation) -> None:
    g.layer(operation, nn.ThresholdedReLU(float(operation.attributes.get("alpha", 1.0))))


def _gelu(g: Importer, operation: Operation) -> None:
    approximate = operation.attributes.get("approximate", "none")
    name = approximate.decode() if isinstance(approximate, bytes) else str(approximate)
    if name not in ("none", "tanh"):
        raise operation.refuse(f"approximate is {name!r}, must be 'none' or 'tanh'")
    g.layer(operation, nn.GELU(name))


def positive(operation: Operation, attribute: str, value: float) -> float:
    if not value > 0:
        raise operation.refuse(f"{attribute} is {value}, must be positive")
    return value


def _plain(layer: type[nn.Module]) -> Operator:
    return lambda g, operation: g.layer(operation, layer())


ROWS: dict[str, Operator] = {
    **{row.onnx: _plain(getattr(nn, row.layer)) for row in ACTIVATIONS.values() if row.onnx},
    "Celu": _celu,
    "Clip": _clip,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hardsigmoid,
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Selu": _selu,
    "ThresholdedRelu": _thresholded_relu,
}
