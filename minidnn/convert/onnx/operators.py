"""What each operator of ONNX becomes here."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import nn
from minidnn.activations import ACTIVATIONS
from minidnn.convert.building import batch_norm, dense, layer_norm, prelu
from minidnn.convert.onnx.following import Importer, Operator
from minidnn.convert.onnx.reading import Operation, as_float
from minidnn.nn import functions
from minidnn.reference.activations import SELU_ALPHA, SELU_SCALE


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
    g.emit(operation, dense(kernel, bias), [g.value(operation, 0)], 2, _layer_name(operation))


def _matmul(g: Importer, operation: Operation) -> None:
    kernel = g.constant(operation, 1)
    a, b = g.rank(operation), g.rank(operation, 1)
    if kernel is not None and a == b == 2 and g.constant(operation, 0) is None:
        step = g.emit(operation, dense(kernel), [g.value(operation, 0)], 2, _layer_name(operation))
        step.open = True
        return
    rank = max(a, b) if min(a, b) > 1 else a + b - 2 if a == b == 1 else max(a, b) - 1
    g.emit(operation, functions.matmul(), [g.value(operation, 0), g.value(operation, 1)], rank)


def _add(g: Importer, operation: Operation) -> None:
    for place in (0, 1):
        bias = g.constant(operation, 1 - place)
        if bias is not None and g.add_bias(operation, g.resolve(operation.inputs[place]), bias):
            return
    _elementwise(g, operation, functions.add())


def _elementwise(g: Importer, operation: Operation, function: Any) -> None:
    rank = max(g.rank(operation, 0), g.rank(operation, 1))
    g.emit(operation, function, [g.value(operation, 0), g.value(operation, 1)], rank)


def _elu(g: Importer, operation: Operation) -> None:
    g.layer(operation, nn.ELU(_positive(operation, "alpha", operation.attributes.get("alpha", 1.0))))


def _leaky_relu(g: Importer, operation: Operation) -> None:
    alpha = operation.attributes.get("alpha", 0.01)
    g.layer(operation, nn.LeakyReLU(_positive(operation, "alpha", alpha)) if alpha else nn.ReLU())


def _selu(g: Importer, operation: Operation) -> None:
    alpha = _positive(operation, "alpha", operation.attributes.get("alpha", SELU_ALPHA))
    gamma = operation.attributes.get("gamma", SELU_SCALE)
    if np.allclose([alpha, gamma], [SELU_ALPHA, SELU_SCALE], rtol=1e-6, atol=0):
        g.layer(operation, nn.SELU())
        return
    name, (x, y) = operation.name or "selu", (operation.inputs[0], operation.outputs[0])
    g.constants[f"{y}/gamma"], rank = np.array(gamma, np.float32), g.rank(operation)
    elu = g.emit(Operation("Elu", name, [x], [f"{y}/elu"], {}), nn.ELU(alpha), [g.value(operation, 0)], rank)
    scaled = Operation("Mul", name, [elu.output, f"{y}/gamma"], [y], {})
    g.emit(scaled, functions.multiply(), [elu.output, g.value(scaled, 1, trainable=False)], rank)


def _prelu(g: Importer, operation: Operation) -> None:
    slopes = g.constant(operation, 1)
    if slopes is not None and slopes.size > 1 and slopes.size == slopes.shape[-1] and slopes.ndim <= g.rank(operation):
        g.layer(operation, prelu(slopes), called=_layer_name(operation))
    else:
        inputs = [g.value(operation, 0), g.value(operation, 1, trainable=True)]
        g.emit(operation, functions.prelu(), inputs, g.rank(operation))


def _batch_norm(g: Importer, operation: Operation) -> None:
    if operation.attributes.get("training_mode", 0):
        raise operation.refuse("training_mode is 1, only inference can be imported")
    if not operation.attributes.get("spatial", 1):
        raise operation.refuse("spatial is 0, which newer operator sets do not have")
    eps, momentum = operation.attributes.get("epsilon", 1e-5), operation.attributes.get("momentum", 0.9)
    vectors = [vector for place in range(1, 5) if (vector := g.constant(operation, place)) is not None]
    if len(vectors) == 4 and g.rank(operation) == 2:
        layer = batch_norm(*vectors, eps=eps, momentum=momentum)
        g.layer(operation, layer, called=_layer_name(operation))
        return
    inputs = [g.value(operation, place, trainable=place < 3) for place in range(5)]
    g.emit(operation, functions.batch_norm(eps), inputs, g.rank(operation))


def _layer_norm(g: Importer, operation: Operation) -> None:
    axis, eps = operation.attributes.get("axis", -1), operation.attributes.get("epsilon", 1e-5)
    gamma, beta, rank = g.constant(operation, 1), g.constant(operation, 2), g.rank(operation)
    known = gamma is not None and gamma.ndim == 1 and (beta is not None or not g.has(operation, 2))
    if gamma is not None and known and rank == 2 and axis in (1, -1):
        g.layer(operation, layer_norm(gamma, beta, eps=eps), called=_layer_name(operation))
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
        raise operation.refuse("training_mode is true, only inference can be imported")
    g.layer(operation, nn.Dropout(operation.attributes.get("ratio", 0.5) if ratio is None else as_float(ratio.item())))


def _softmax(g: Importer, operation: Operation) -> None:
    rank = g.rank(operation)
    axis = operation.attributes.get("axis", -1 if g.opset >= 13 else 1)
    if not -rank <= axis < rank:
        raise operation.refuse(f"axis is {axis}, x has {rank} axes")
    last = axis in (-1, rank - 1)
    if g.opset < 13 and not last:
        raise operation.refuse("over several axes at once, as before operator set 13")
    log = operation.op == "LogSoftmax"
    if last:
        g.layer(operation, nn.LogSoftmax() if log else nn.Softmax())
    else:
        function = functions.log_softmax(axis) if log else functions.softmax(axis)
        g.emit(operation, function, [g.value(operation, 0)], rank)


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
        raise operation.refuse(f"shape is {shape}, which makes no sense for {rank} axes")
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
    ((kind, value),) = operation.attributes.items()
    kinds: dict[str, Any] = {"value_float": np.float32, "value_floats": np.float32}
    kinds |= {"value_int": np.int64, "value_ints": np.int64}
    if kind != "value" and kind not in kinds:
        raise operation.refuse(f"attribute {kind!r} is not known here")
    g.constants[operation.outputs[0]] = value if kind == "value" else np.array(value, kinds[kind])


def _positive(operation: Operation, attribute: str, value: float) -> float:
    if not value > 0:
        raise operation.refuse(f"{attribute} is {value}, must be positive")
    return value


def _layer_name(operation: Operation) -> str:
    """What the weights are called by, as in ``hidden1.weight``; else nothing."""
    layer, dot, _ = operation.inputs[1].rpartition(".")
    return layer if dot else ""


def _clip(g: Importer, operation: Operation) -> None:
    low, high = (_bound(g, operation, place) for place in (1, 2))
    if low is not None and high is not None and low > high:
        raise operation.refuse(f"its bounds are {low} and {high}, must not be the other way round")
    known: dict[tuple[float | None, float | None], type[nn.Module]] = {(0.0, 6.0): nn.ReLU6, (-1.0, 1.0): nn.Hardtanh}
    if (low, high) in known:
        g.layer(operation, known[low, high]())
    else:
        g.emit(operation, functions.clip(low, high), [g.value(operation, 0)], g.rank(operation))


def _bound(g: Importer, operation: Operation, place: int) -> float | None:
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
    g.layer(operation, nn.CELU(_positive(operation, "alpha", float(operation.attributes.get("alpha", 1.0)))))


def _thresholded_relu(g: Importer, operation: Operation) -> None:
    g.layer(operation, nn.ThresholdedReLU(float(operation.attributes.get("alpha", 1.0))))


def _gelu(g: Importer, operation: Operation) -> None:
    approximate = operation.attributes.get("approximate", "none")
    name = approximate.decode() if isinstance(approximate, bytes) else str(approximate)
    if name not in ("none", "tanh"):
        raise operation.refuse(f"approximate is {name!r}, must be 'none' or 'tanh'")
    g.layer(operation, nn.GELU(name))


def _plain(layer: type[nn.Module]) -> Operator:
    return lambda g, operation: g.layer(operation, layer())


OPERATORS: dict[str, Operator] = {
    **{row.onnx: _plain(getattr(nn, row.layer)) for row in ACTIVATIONS.values() if row.onnx},
    "Add": _add,
    "BatchNormalization": _batch_norm,
    "Celu": _celu,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "Dropout": _dropout,
    "Elu": _elu,
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "HardSigmoid": _hardsigmoid,
    "Identity": _identity,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Mul": lambda g, operation: _elementwise(g, operation, functions.multiply()),
    "PRelu": _prelu,
    "Reshape": _reshape,
    "Selu": _selu,
    "Softmax": _softmax,
    "ThresholdedRelu": _thresholded_relu,
}
"""Everything that can be imported."""
