"""Activations in ONNX: the operator that `minidnn.activations` names for each, else several operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from minidnn.activations import ACTIVATIONS as ROWS
from minidnn.activations import Activation
from minidnn.convert.onnx.writing import Writer, below

Settings = Mapping[str, Any]
Put = Callable[[Writer, str, str, Settings], str]
"""Writes an activation: (writer, path, x, the op's attributes) -> the name of its output."""


def _operator(op: str, *attributes: str, **fixed: Any) -> Put:
    return lambda w, path, x, settings: w.node(
        op, path, x, **fixed, **{name: float(settings[name]) for name in attributes}
    )


def _since(opset: int, newer: Put, older: Put) -> Put:
    return lambda w, path, x, settings: (newer if w.opset >= opset else older)(w, path, x, settings)


def _clip(low: float, high: float) -> Put:
    return lambda w, path, x, _: w.node("Clip", path, x, w.number(path, "number", low), w.number(path, "number", high))


def _times(share: Put) -> Put:
    """``x * share(x)``."""
    return lambda w, path, x, settings: w.node("Mul", path, x, share(w, below(path, "share"), x, settings))


def _logsigmoid(w: Writer, path: str, x: str, _: Settings) -> str:
    minus = w.number(path, "number", -1.0)
    return w.node("Mul", path, w.node("Softplus", path, w.node("Mul", path, x, minus)), minus)


def _mish_share(w: Writer, path: str, x: str, _: Settings) -> str:
    return w.node("Tanh", path, w.node("Softplus", path, x))


def _normal_cdf(w: Writer, path: str, x: str, _: Settings) -> str:
    erf = w.node("Erf", path, w.node("Mul", path, x, w.number(path, "number", 1 / math.sqrt(2))))
    return w.node("Mul", path, w.node("Add", path, erf, w.number(path, "number", 1.0)), w.number(path, "number", 0.5))


def _tanh_share(w: Writer, path: str, x: str, _: Settings) -> str:
    square = w.node("Mul", path, x, x)
    cubic = w.node("Mul", path, w.node("Mul", path, square, x), w.number(path, "number", 0.044715))
    scaled = w.node("Mul", path, w.node("Add", path, x, cubic), w.number(path, "number", 2 * math.sqrt(2 / math.pi)))
    return w.node("Sigmoid", path, scaled)


def _alpha(row: Activation) -> list[str]:
    return [] if row.alpha is None else ["alpha"]


_hardsigmoid = _operator("HardSigmoid", alpha=1 / 6, beta=0.5)

ACTIVATIONS: dict[str, Put] = {
    **{row.name: _operator(row.onnx, *_alpha(row)) for row in ROWS.values() if row.onnx},
    "gelu": _since(20, _operator("Gelu"), _times(_normal_cdf)),
    "gelu_tanh": _since(20, _operator("Gelu", approximate="tanh"), _times(_tanh_share)),
    "hardsigmoid": _hardsigmoid,
    "hardswish": _since(14, _operator("HardSwish"), _times(_hardsigmoid)),
    "hardtanh": _clip(-1.0, 1.0),
    "logsigmoid": _logsigmoid,
    "mish": _since(18, _operator("Mish"), _times(_mish_share)),
    "relu6": _clip(0.0, 6.0),
    "silu": _times(_operator("Sigmoid")),
}
