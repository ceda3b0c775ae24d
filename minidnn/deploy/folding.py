"""Turns a trained model into a program: dropout removed, batch normalization and scales folded into dense layers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.deploy.lowering import Lowering
from minidnn.deploy.stages import Activation, Affine, Product, Program, Stage
from minidnn.deploy.weights import Weights
from minidnn.nn.tracing import Batch, Trace, TraceError, reads_numbers, trace, width_of


@np.errstate(over="ignore", invalid="ignore")  # `rounded` refuses such results
def program_of(model: nn.Module, swap: Mapping[str, str], input_shape: Sequence[int] | None = None) -> Program:
    """The model in evaluation mode, folded, in float64.

    Raises:
        TypeError: the engine does not support an op; the model is not made of ops.
        ValueError: the number of inputs cannot be inferred; weights are not finite.
    """
    shape = (inputs_of(model),) if input_shape is None else tuple(input_shape)
    graph = _graph_of(model, shape)
    lowering = Lowering(graph, math.prod(shape), swap)
    last = lowering.lower()
    stages = _fold(lowering.stages, last)
    return _numbered(math.prod(shape), stages, last)


def inputs_of(model: nn.Module) -> int:
    """The number of inputs of the model, from its first layer with ``n_in`` or ``n``.

    Raises:
        ValueError: there is no such layer.
    """
    width = width_of(model)
    if width is None:
        raise ValueError("compile: no layer of the model has a number of inputs; give input_shape=(n,)")
    return width


def _graph_of(model: nn.Module, shape: tuple[int, ...]) -> Trace:
    if reads_numbers(model):
        raise TypeError(
            "compile: the model begins with an embedding, which the engine does not support; compile the layers after "
            "it, such as model[1:], and run the embedding before"
        )
    try:
        graph = trace(model, {"x": shape})
    except TraceError as error:
        raise TypeError(f"compile: {error}") from error
    except (TypeError, ValueError) as error:
        raise type(error)(f"compile: {error}") from error
    if graph.outputs.keys() != {"y"}:
        remedy = ", such as nn.Graph(model.nodes, model.inputs, output=NAME), which shares the nodes"
        raise TypeError(
            f"compile: the model has outputs {', '.join(graph.outputs)}, must have one; compile a model for each"
            f"{remedy if isinstance(model, nn.Graph) else ''}"
        )
    output = graph.outputs["y"].shape
    if len(output) != 2 or output[0] != Batch():
        raise TypeError(f"compile: the output has {len(output)} axes, must be (batch, n)")
    return graph


@np.errstate(over="ignore")
def rounded(program: Program) -> Program:
    """The program with every number as float32.

    Raises:
        ValueError: a number is not finite in float32; the message names the layer.
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


# Folding. Two stages can be merged if no other stage reads the value between them.


def _fold(stages: list[Stage], last: int) -> list[Stage]:
    """Merges affine stages into the product before or else after them, and activations into the product before."""
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
    """One stage that is equivalent to both in sequence; None if there is none."""
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
    """The program, with its values renumbered 0, 1, 2, ..."""
    number = {0: 0} | {stage.target: i + 1 for i, stage in enumerate(stages)}
    renamed = [
        replace(s, source=number[s.source], target=number[s.target], other=None if s.other is None else number[s.other])
        for s in stages
    ]
    if number[last] != len(stages):
        raise AssertionError("the last stage makes the output")
    return Program(n_in, tuple(renamed))
