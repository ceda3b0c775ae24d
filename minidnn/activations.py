"""The table of elementwise activations, one row each.

An activation also has its formula in `minidnn.reference.activations`, a struct in ``csrc/kernels/activations.hpp``
with a line in ``table.hpp``, an op and a layer. All other tables are derived from this one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Activation:
    """An activation ``y = f(x)`` and its names in other libraries; None if a library has no equivalent.

    Attributes:
        name: the name of the op, of the kernel, and in ``Dense(..., activation=)``.
        layer: the class in `minidnn.nn`.
        alpha: the default of its only setting; None if it has none.
        reads: what its derivative reads: the input x or the output y. With y a dense layer need not keep ``x @ w + b``.
        variant: the constructor's argument that selects this activation, if the layer has several.
        torch, keras, onnx, sklearn: ``torch.nn``'s class, Keras' name, ONNX's operator, scikit-learn's name.
        torch_settings: (setting, low, high) of ``torch.nn``'s class: the range in which it computes the same function.
    """

    name: str
    layer: str
    alpha: float | None = None
    reads: Literal["x", "y"] = "y"
    variant: str | None = None
    torch: str | None = None
    keras: str | None = None
    onnx: str | None = None
    sklearn: str | None = None
    torch_settings: tuple[tuple[str, float, float], ...] = ()

    @property
    def setting(self) -> float:
        """The default of alpha; 0.0 if the activation has none."""
        return 0.0 if self.alpha is None else self.alpha

    def settings(self, alpha: float | None = None) -> tuple[float, ...]:
        """The settings that kernels take after their arrays: (alpha or its default,), or () if there is none."""
        return () if self.alpha is None else (self.alpha if alpha is None else alpha,)


ACTIVATIONS: dict[str, Activation] = {
    row.name: row
    for row in (
        Activation("relu", "ReLU", torch="ReLU", keras="relu", onnx="Relu", sklearn="relu"),
        Activation("leaky_relu", "LeakyReLU", 0.01, torch="LeakyReLU", keras="leaky_relu", onnx="LeakyRelu"),
        Activation("elu", "ELU", 1.0, torch="ELU", keras="elu", onnx="Elu"),
        Activation("selu", "SELU", torch="SELU", keras="selu", onnx="Selu"),
        Activation("tanh", "Tanh", torch="Tanh", keras="tanh", onnx="Tanh", sklearn="tanh"),
        Activation("sigmoid", "Sigmoid", torch="Sigmoid", keras="sigmoid", onnx="Sigmoid", sklearn="logistic"),
        Activation(
            "softplus",
            "Softplus",
            torch="Softplus",
            keras="softplus",
            onnx="Softplus",
            # Above its threshold PyTorch computes y = x, which equals softplus in float32 for x >= 18.
            torch_settings=(("beta", 1.0, 1.0), ("threshold", 18.0, math.inf)),
        ),
        Activation("relu6", "ReLU6", torch="ReLU6", keras="relu6"),
        Activation(
            "hardtanh",
            "Hardtanh",
            torch="Hardtanh",
            keras="hard_tanh",
            torch_settings=(("min_val", -1.0, -1.0), ("max_val", 1.0, 1.0)),
        ),
        Activation("hardsigmoid", "Hardsigmoid", torch="Hardsigmoid", keras="hard_sigmoid", onnx="HardSigmoid"),
        Activation("hardswish", "Hardswish", reads="x", torch="Hardswish", keras="hard_silu", onnx="HardSwish"),
        Activation("celu", "CELU", 1.0, torch="CELU", keras="celu", onnx="Celu"),
        Activation("softsign", "Softsign", torch="Softsign", keras="softsign", onnx="Softsign"),
        Activation("thresholded_relu", "ThresholdedReLU", 1.0, reads="x", onnx="ThresholdedRelu"),
        Activation("logsigmoid", "LogSigmoid", torch="LogSigmoid", keras="log_sigmoid"),
        Activation("mish", "Mish", reads="x", torch="Mish", keras="mish", onnx="Mish"),
        Activation("silu", "SiLU", reads="x", torch="SiLU", keras="silu"),
        Activation("gelu", "GELU", reads="x", torch="GELU", keras="gelu", onnx="Gelu"),
        Activation("gelu_tanh", "GELU", reads="x", variant="tanh"),
    )
}
"""Every activation by name."""

LAYERS = {row.layer: row.name for row in ACTIVATIONS.values() if row.variant is None}
"""Layer class -> its activation, when the constructor gets no argument."""
ALPHA = {name: row.setting for name, row in ACTIVATIONS.items()}
"""Name -> default setting; 0.0 if the activation has none."""
FUSED = {name: row.setting for name, row in ACTIVATIONS.items() if row.reads == "y"}
"""Activations whose derivative reads y: the kernel of a dense layer runs them also in training."""
