"""Lowers the graph of a model to stages, with a rule for each op that the engine supports."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minidnn.activations import ALPHA
from minidnn.deploy.stages import Activation, Add, Affine, Concat, LayerNorm, PReLU, Product, Softmax, Stage
from minidnn.deploy.weights import Weights
from minidnn.nn import Module
from minidnn.nn.tracing import Batch, Node, Trace, Value
from minidnn.reference.types import Array


class Lowering:
    """Turns nodes into stages. Each value becomes a row of numbers for each example, whatever its axes."""

    def __init__(self, graph: Trace, n_in: int, swap: Mapping[str, str]) -> None:
        self.graph, self.swap = graph, swap
        self.stages: list[Stage] = []
        self.widths = [n_in]
        self._number = {id(value): 0 for value in graph.inputs.values()}

    def lower(self) -> int:
        """Appends the stages of every node that the output needs; returns the number of the output's value.

        Raises:
            TypeError: the engine does not support an op; the message names its layer.
        """
        for node in self.graph.needed():
            rule = RULES.get(node.op)
            if rule is None or "random" in node.attributes:
                raise refuse(node, "the engine does not support it")
            if node.output.shape[:1] != (Batch(),):
                raise refuse(node, "the first axis of its result must be the batch")
            self._number[id(node.output)] = rule(self, node)
        (output,) = self.graph.outputs.values()
        if output.data is not None:
            raise TypeError("compile: the output does not depend on the input")
        return self._number[id(output)]

    def number(self, node: Node, place: int = 0) -> int:
        """The number of the value that a node reads at a place."""
        value = node.inputs[place]
        if not isinstance(value, Value) or value.data is not None:
            raise refuse(node, f"input {place} is a constant, must be computed from the model's input")
        return self._number[id(value)]

    def constant(self, node: Node, part: Any) -> Array:
        """The array of a parameter, buffer or constant, in float64."""
        if isinstance(part, Value) and part.data is None:
            raise refuse(node, "it reads two values that depend on the input, one must be constant")
        return np.asarray(part.data if isinstance(part, Value) else part, np.float64)

    def append(self, kind: type[Stage], layer: Module, x: int, **fields: Any) -> int:
        stage = kind(source=x, target=len(self.widths), name=layer.name or type(layer).__name__, **fields)
        self.stages.append(stage)
        self.widths.append(stage.width(self.widths))
        return stage.target

    def activate(self, layer: Module, x: int, activation: str, alpha: float) -> int:
        if activation in self.swap:
            activation, alpha = self.swap[activation], ALPHA[self.swap[activation]]
        return x if activation == "identity" else self.append(Activation, layer, x, activation=activation, alpha=alpha)


def refuse(node: Node, why: str) -> TypeError:
    """The error for a node that cannot be compiled."""
    return TypeError(f"compile: {node.where} cannot be compiled: {why}; supported ops are {', '.join(RULES)}")


Rule = Callable[[Lowering, Node], int]


def _dense(to: Lowering, node: Node) -> int:
    kernel, bias = (to.constant(node, part) for part in node.inputs[1:])
    if node.op == "dense_transposed":
        kernel = kernel.T
    y = _product(to, node, kernel, bias)
    return to.activate(_holder(node), y, node.attributes["activation"], node.attributes["alpha"])


def _matmul(to: Lowering, node: Node) -> int:
    kernel = to.constant(node, node.inputs[1])
    if kernel.ndim != 2 or len(node.inputs[0].shape) != 2:
        raise refuse(node, "both factors must be matrices")
    return _product(to, node, kernel, np.zeros(kernel.shape[1]))


def _product(to: Lowering, node: Node, kernel: Array, bias: Array) -> int:
    layer = _holder(node)
    for name, array in (("kernel", kernel), ("bias", bias)):
        if not np.isfinite(array).all():
            raise ValueError(f"compile: {layer.label}: {name} has numbers that are not finite")
    n_in, n_out = kernel.shape
    return to.append(Product, layer, to.number(node), weights=Weights(n_in, n_out, kernel), bias=bias)


def _holder(node: Node) -> Module:
    """The layer that holds the weights, else the one that runs; reports show its name."""
    held = (part.module for part in node.inputs[1:] if isinstance(part, Value) and part.module is not None)
    return next(held, node.layer)


def _batch_norm(to: Lowering, node: Node) -> int:
    parts = (*node.inputs[1:], node.attributes["mean"], node.attributes["var"])
    gamma, beta, mean, var = (to.constant(node, part) for part in parts)
    scale = gamma / np.sqrt(var + node.attributes["eps"])
    return to.append(Affine, node.layer, to.number(node), scale=scale, shift=beta - mean * scale)


def _layer_norm(to: Lowering, node: Node) -> int:
    gamma, beta = (to.constant(node, part) for part in node.inputs[1:])
    return to.append(LayerNorm, node.layer, to.number(node), gamma=gamma, beta=beta, eps=node.attributes["eps"])


def _prelu(to: Lowering, node: Node) -> int:
    _check_matrix(node)
    return to.append(PReLU, node.layer, to.number(node), slopes=to.constant(node, node.inputs[1]))


def _softmax(to: Lowering, node: Node) -> int:
    _check_matrix(node)
    return to.append(Softmax, node.layer, to.number(node))


def _check_matrix(node: Node) -> None:
    if len(node.inputs[0].shape) != 2:
        raise refuse(node, f"x has {len(node.inputs[0].shape)} axes, must be (batch, n)")


def _concatenate(to: Lowering, node: Node) -> int:
    rank = len(node.output.shape)
    if rank != 2 or node.attributes["axis"] not in (1, -1):
        raise refuse(node, "must be along the last axis of (batch, n)")
    x = to.number(node)
    for place in range(1, len(node.inputs)):
        x = to.append(Concat, node.layer, x, other=to.number(node, place))
    return x


def _add(to: Lowering, node: Node) -> int:
    if all(isinstance(part, Value) and part.data is None for part in node.inputs):
        if node.inputs[0].shape != node.inputs[1].shape:
            raise refuse(node, "the shapes differ, must be the same")
        return to.append(Add, node.layer, to.number(node), other=to.number(node, 1))
    return _affine(to, node)


def _affine(to: Lowering, node: Node) -> int:
    """An elementwise op of x and a constant, as ``x * scale + shift``."""
    place = 0 if isinstance(node.inputs[0], Value) and node.inputs[0].data is None else 1
    shape = node.output.shape[1:]
    x = node.inputs[place]
    if x.shape != node.output.shape:
        raise refuse(node, "it broadcasts x, must keep its shape")
    constants = [to.constant(node, part) for i, part in enumerate(node.inputs) if i != place]
    c = _row(node, constants[0], shape) if constants else np.zeros(math.prod(shape))
    one, zero = np.ones_like(c), np.zeros_like(c)
    if node.op == "divide" and place == 1:
        raise refuse(node, "a constant is divided by x")
    scale, shift = {
        "add": (one, c),
        "subtract": (one, -c) if place == 0 else (-one, c),
        "multiply": (c, zero),
        "divide": (one / np.where(c == 0, np.nan, c), zero),
        "negative": (-one, zero),
    }[node.op]
    return to.append(Affine, node.layer, to.number(node, place), scale=scale, shift=shift)


def _row(node: Node, constant: Array, shape: tuple[int, ...]) -> Array:
    """A constant, broadcast to the shape of an example and flattened."""
    if constant.ndim > len(shape):
        if constant.shape[0] != 1:
            raise refuse(node, f"a constant has shape {constant.shape}, must be the same for every example")
        constant = constant[0]
    return np.broadcast_to(constant, shape).reshape(-1).copy()


def _same(to: Lowering, node: Node) -> int:
    """An op that leaves every row unchanged."""
    return to.number(node)


def _activation(to: Lowering, node: Node) -> int:
    return to.activate(node.layer, to.number(node), node.op, node.attributes.get("alpha", ALPHA[node.op]))


RULES: dict[str, Rule] = {
    "add": _add,
    "batch_norm_eval": _batch_norm,
    "concatenate": _concatenate,
    "dense": _dense,
    "dense_transposed": _dense,
    "divide": _affine,
    "dropout": _same,
    "layer_norm": _layer_norm,
    "matmul": _matmul,
    "multiply": _affine,
    "negative": _affine,
    "prelu": _prelu,
    "reshape": _same,
    "softmax": _softmax,
    "subtract": _affine,
    **dict.fromkeys(ALPHA, _activation),
}
"""The ops that the engine supports."""
