"""Quantization of weights and inputs to one byte."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minidnn.deploy.stages import Product, Program
from minidnn.deploy.weights import Quantization, to_int8
from minidnn.reference.types import Array


def quantized(program: Program, examples: Any) -> Program:
    """The program with int8 weights; the range of each product's inputs is that of the examples.

    Raises:
        ValueError: a product's inputs are not finite.
    """
    stages = []
    for stage in program.stages:
        if isinstance(stage, Product):
            scale, zero = input_range(stage.name, program.value(stage.source, examples))
            q, scales = to_int8(stage.weights.values)
            weights = replace(stage.weights, values=q, quantization=Quantization(scale, zero, scales))
            stage = replace(stage, weights=weights)
        stages.append(stage)
    return Program(program.n_in, tuple(stages))


def input_range(name: str, x: Array) -> tuple[float, int]:
    """scale and zero that map [min(x, 0), max(x, 0)] to 0 to 255, and 0.0 to an integer.

    Raises:
        ValueError: x is not finite.
    """
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    if not np.isfinite([low, high]).all():
        raise ValueError(f"compile: the calibration examples give layer {name!r} inputs that are not finite")
    scale = max((high - low) / 255, float(np.finfo(np.float32).tiny) * 256)
    return float(np.float32(scale)), round(-low / scale)
