"""What each activation is in ONNX: its operator, else a few of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minidnn.convert.onnx.writing import Writer

Put = Callable[[Writer, str, str, Mapping[str, Any]], str]
"""Writes an activation of a value: (writer, path, x, the op's attributes)."""


def _operator(op: str, *attributes: str) -> Put:
    return lambda w, path, x, settings: w.node(op, path, x, **{name: float(settings[name]) for name in attributes})


ACTIVATIONS: dict[str, Put] = {
    "elu": _operator("Elu", "alpha"),
    "leaky_relu": _operator("LeakyRelu", "alpha"),
    "relu": _operator("Relu"),
    "selu": _operator("Selu"),
    "sigmoid": _operator("Sigmoid"),
    "softplus": _operator("Softplus"),
    "tanh": _operator("Tanh"),
}
