"""A trained model as a program: dropout gone, batch normalization and scales folded into the dense layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minidnn import nn, ops
from minidnn.deploy.stages import Activation, Add, Affine, Concat, LayerNorm, PReLU, Product, Program, Softmax, Stage
from minidnn.deploy.weights import Weights
from minidnn.reference.types import Array

FUNCTIONS: dict[Any, tuple[str, float]] = {
    ops.relu: ("relu", 0.0),
    ops.leaky_relu: ("leaky_relu", 0.01),
    ops.elu: ("elu", 1.0),
    ops.selu: ("selu", 0.0),
    ops.tanh: ("tanh", 0.0),
    ops.sigmoid: ("sigmoid", 0.0),
    ops.softplus: ("softplus", 0.0),
}
"""The functions that a dense layer may have as its activation."""


@np.errstate(over="ignore", invalid="ignore")  # `rounded` refuses what comes of it
def program_of(model: nn.Module, swap: Mapping[str, str]) -> Program:
    """The model in evaluation mode, folded, in float64.

    Raises:
        TypeError: a layer that is not minidnn's own, or a function as an activation that is not one of `minidnn.ops`.
        ValueError: no layer tells how many inputs the model has; weights that are not finite.
    """
    n_in = inputs_of(model)
    lowering = _Lowering(n_in, swap)
    last = lowering.lower(model, 0)
    stages = _fold(lowering.stages, last)
    return _numbered(n_in, stages, last)


def inputs_of(model: nn.Module) -> int:
    """How many inputs the model takes, as its first layer that has a size tells.

    Raises:
        ValueError: there is none.
    """
    for _, part in model.named_modules():
        if size := _inputs_of(part):
            return size
    raise ValueError("compile: the model has no layer that tells how many inputs it takes")


@np.errstate(over="ignore")
def rounded(program: Program) -> Program:
    """The program with every number as float32.

    Raises:
        ValueError: a number that is not finite then; the layer is named.
    """

    def single(stage: Stage, value: Any) -> Any:
        if isinstance(value, Weights):
            return replace(value, values=single(stage, value.values))
        if not isinstance(value, np.ndarray):
            return value
        array = np.ascontiguousarray(value, np.float32)
        if not np.isfinite(array).all():
            raise ValueError(
                f"compile: layer {stage.name!r} has numbers that are not finite, or too large for float32 once it is "
                "folded"
            )
        return array

    stages = (replace(s, **{k: single(s, v) for k, v in vars(s).items()}) for s in program.stages)
    return Program(program.n_in, tuple(stages))


def _inputs_of(part: nn.Module) -> int:
    return int(getattr(part, "n_in", 0) or (part.n if isinstance(part, (nn.BatchNorm, nn.LayerNorm)) else 0))


class _Lowering:
    """Layers become stages, each value is made once."""

    def __init__(self, n_in: int, swap: Mapping[str, str]) -> None:
        self.stages: list[Stage] = []
        self.widths, self.swap = [n_in], swap

    def lower(self, layer: nn.Module, x: int) -> int:
        """Appends the stages of a layer that reads value x; returns the value that it gives."""
        for kind, rule in RULES.items():
            if isinstance(layer, kind) and type(layer).forward is kind.forward:
                size = _inputs_of(layer)
                if size and size != self.widths[x]:
                    raise ValueError(f"compile: {layer.label} takes {size} values and is given {self.widths[x]}")
                return rule(self, layer, x)
        raise TypeError(f"compile: {layer.label} is not a layer that can be compiled: {_names()}")

    def append(self, kind: type[Stage], layer: nn.Module, x: int, **fields: Any) -> int:
        stage = kind(source=x, target=len(self.widths), name=layer.name or type(layer).__name__, **fields)
        self.stages.append(stage)
        self.widths.append(stage.width(self.widths))
        return stage.target

    def activate(self, layer: nn.Module, x: int, activation: str, alpha: float) -> int:
        if activation in self.swap:
            activation, alpha = self.swap[activation], nn.layers.FUSED[self.swap[activation]]
        return self.append(Activation, layer, x, activation=activation, alpha=alpha)

    def scale(self, layer: nn.Module, x: int, scale: Array, shift: Array) -> int:
        return self.append(Affine, layer, x, scale=scale, shift=shift)


def _sequential(to: _Lowering, layer: nn.Sequential, x: int) -> int:
    for part in layer.layers:
        x = to.lower(part, x)
    return x


def _dense(to: _Lowering, layer: nn.Dense, x: int) -> int:
    kernel, bias = (np.asarray(p.data, np.float64) for p in (layer.kernel, layer.bias))
    for name, array in (("kernel", kernel), ("bias", bias)):
        if not np.isfinite(array).all():
            raise ValueError(f"compile: {layer.label}: {name} has numbers that are not finite")
    y = to.append(Product, layer, x, weights=Weights(layer.n_in, layer.n_out, kernel), bias=bias)
    activation = layer.activation
    if activation is None:
        return y
    if isinstance(activation, str):
        return to.activate(layer, y, activation, nn.layers.FUSED[activation])
    if isinstance(activation, nn.Module):
        return to.lower(activation, y)
    if activation in FUNCTIONS:
        return to.activate(layer, y, *FUNCTIONS[activation])
    if activation is ops.softmax:
        return to.append(Softmax, layer, y)
    raise TypeError(f"compile: {layer.label}: its activation {activation!r} cannot be compiled: {_names()}")


def _batch_norm(to: _Lowering, layer: nn.BatchNorm, x: int) -> int:
    gamma, beta, mean, var = (
        np.asarray(t.data, np.float64) for t in (layer.gamma, layer.beta, layer.running_mean, layer.running_var)
    )
    scale = gamma / np.sqrt(var + layer.eps)
    return to.scale(layer, x, scale, beta - mean * scale)


def _dropout(to: _Lowering, layer: nn.Dropout, x: int) -> int:
    if layer.mode == "inverted" or layer.rate == 0:
        return x
    n = to.widths[x]
    return to.scale(layer, x, np.full(n, 1.0 - layer.rate), np.zeros(n))


def _residual(to: _Lowering, layer: nn.Residual, x: int) -> int:
    y = to.lower(layer.block, x)
    if to.widths[y] != to.widths[x]:
        raise ValueError(f"compile: {layer.label}: its block turns {to.widths[x]} values into {to.widths[y]}")
    return to.append(Add, layer, x, other=y)


def _skip(to: _Lowering, layer: nn.SkipConcat, x: int) -> int:
    return to.append(Concat, layer, x, other=to.lower(layer.block, x))


def _layer_norm(to: _Lowering, layer: nn.LayerNorm, x: int) -> int:
    return to.append(LayerNorm, layer, x, gamma=layer.gamma.data, beta=layer.beta.data, eps=layer.eps)


def _plain(activation: str) -> Callable[[_Lowering, nn.Module, int], int]:
    return lambda to, layer, x: to.activate(layer, x, activation, 0.0)


RULES: dict[type[nn.Module], Callable[[_Lowering, Any, int], int]] = {
    nn.Sequential: _sequential,
    nn.Dense: _dense,
    nn.DropConnect: lambda to, layer, x: to.lower(layer.dense, x),
    nn.BatchNorm: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Dropout: _dropout,
    nn.AlphaDropout: lambda to, layer, x: x,
    nn.Flatten: lambda to, layer, x: x,
    nn.Residual: _residual,
    nn.SkipConcat: _skip,
    nn.ReLU: _plain("relu"),
    nn.SELU: _plain("selu"),
    nn.Tanh: _plain("tanh"),
    nn.Sigmoid: _plain("sigmoid"),
    nn.Softplus: _plain("softplus"),
    nn.LeakyReLU: lambda to, layer, x: to.activate(layer, x, "leaky_relu", layer.alpha),
    nn.RReLU: lambda to, layer, x: to.activate(layer, x, "leaky_relu", (layer.lower + layer.upper) / 2),
    nn.ELU: lambda to, layer, x: to.activate(layer, x, "elu", layer.alpha),
    nn.PReLU: lambda to, layer, x: to.append(PReLU, layer, x, slopes=layer.slopes.data),
    nn.Softmax: lambda to, layer, x: to.append(Softmax, layer, x),
}


def _names() -> str:
    return "there are " + ", ".join(kind.__name__ for kind in RULES)


# Folding. A stage may swallow its neighbour if nobody else reads the value between them.


def _fold(stages: list[Stage], last: int) -> list[Stage]:
    """Affine stages into the product before or else behind them, activations into the product before them."""
    changed = True
    while changed:
        changed = False
        readers = Counter(value for s in stages for value in (s.source, s.other) if value is not None)
        readers[last] += 1
        makers = {s.target: i for i, s in enumerate(stages)}
        for i, stage in enumerate(stages):
            maker = makers.get(stage.source)
            if maker is None or readers[stage.source] > 1:
                continue
            if (merged := _merged(stages[maker], stage)) is not None:
                stages = [*stages[:maker], *stages[maker + 1 : i], merged, *stages[i + 1 :]]
                changed = True
                break
    return stages


def _merged(first: Stage, second: Stage) -> Stage | None:
    """One stage that does what both do one after the other, if there is one."""
    plain = isinstance(first, Product) and first.activation == "identity"
    ends: dict[str, Any] = {"source": first.source, "target": second.target}
    if isinstance(first, Product) and plain and isinstance(second, Affine):
        weights = replace(first.weights, values=first.weights.values * second.scale)
        return replace(first, **ends, weights=weights, bias=first.bias * second.scale + second.shift)
    if isinstance(first, Product) and plain and isinstance(second, Activation):
        return replace(first, **ends, activation=second.activation, alpha=second.alpha)
    if isinstance(first, Affine) and isinstance(second, Product):
        values = second.weights.values
        weights = replace(second.weights, values=first.scale[:, np.newaxis] * values)
        return replace(second, **ends, weights=weights, bias=second.bias + first.shift @ values)
    if isinstance(first, Affine) and isinstance(second, Affine):
        return replace(
            second, **ends, scale=first.scale * second.scale, shift=first.shift * second.scale + second.shift
        )
    return None


def _numbered(n_in: int, stages: list[Stage], last: int) -> Program:
    """Values numbered 0, 1, 2, ... again."""
    number = {0: 0} | {stage.target: i + 1 for i, stage in enumerate(stages)}
    renamed = [
        replace(s, source=number[s.source], target=number[s.target], other=None if s.other is None else number[s.other])
        for s in stages
    ]
    if number[last] != len(stages):
        raise AssertionError("the last stage makes the output")
    return Program(n_in, tuple(renamed))
