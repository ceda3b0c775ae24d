"""One row for each elementwise activation: what the rest of the house knows of it.

Beside the row an activation has its formula in `minidnn.reference.activations`, a struct in
``csrc/kernels/activations.hpp`` with a line in ``table.hpp``, an op and a layer. All other tables follow from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Activation:
    """An activation ``y = f(x)`` and its names elsewhere; None where there is none.

    Attributes:
        name: of the op, the kernel and ``Dense(..., activation=)``.
        layer: the class in `minidnn.nn`.
        alpha: the default of its only setting.
        reads: what its derivative is told by: the output y, which lets a dense layer forget its sums, or the input x.
        variant: what the layer's constructor is given for this activation, where the layer has several.
        torch, keras, onnx, sklearn: ``torch.nn``'s class, Keras' name, ONNX's operator, scikit-learn's name.
        torch_settings: settings of ``torch.nn``'s class, with the range in which it computes the same.
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
        """The default of alpha as kernels take it: 0 where it has none."""
        return 0.0 if self.alpha is None else self.alpha

    def settings(self, alpha: float | None = None) -> tuple[float, ...]:
        """What kernels and references are given behind their arrays: alpha, or its default, where there is one."""
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
            # Beyond its threshold PyTorch takes y = x; from 18 on that is the same number in float32.
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
"""The activation of each layer whose constructor is given nothing."""
ALPHA = {name: row.setting for name, row in ACTIVATIONS.items()}
"""The default setting by name."""
FUSED = {name: row.setting for name, row in ACTIVATIONS.items() if row.reads == "y"}
"""Those whose derivative reads y, and which a dense layer so runs within its kernel in training as well."""
