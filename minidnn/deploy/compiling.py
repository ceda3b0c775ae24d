"""Compiles a trained model for inference."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from minidnn import kernels, nn
from minidnn.activations import ALPHA
from minidnn.checks import positive_integer
from minidnn.data import Dataset
from minidnn.deploy.comparison import labels_of, loss_of, validation_of
from minidnn.deploy.folding import program_of, rounded
from minidnn.deploy.model import Floats, InferenceModel, images_of
from minidnn.deploy.quantization import quantized
from minidnn.deploy.stages import Product, Program
from minidnn.deploy.weights import MOST_SPARSE_INPUTS, Dtype, Weights, to_bfloat16

DENSEST = 0.7
"""Layers with a larger share of nonzeros are not tried sparse."""

TIMED = 8
"""The smallest number of calibration examples to time, since the number of zeros differs between examples."""

ZEROS = 0.8
"""The share of zeros in MNIST's images, for the inputs with zeros that are timed if there are no examples."""

TOLERANCE = 1.05
"""Sparse weights may take this factor longer on one kind of input if they are faster on both together."""


def compile(
    model: nn.Module,
    *,
    sparse: bool | Literal["auto"] = "auto",
    dtype: Dtype = "float32",
    calibration: Any = None,
    batch_size: int = 1,
    swap: Mapping[str, str] | None = None,
    validation: Any = None,
    original: nn.Module | None = None,
    input_shape: Sequence[int] | None = None,
) -> InferenceModel:
    """Compiles a model in evaluation mode to an `InferenceModel`, whose forward pass is one call into C++.

    Batch normalization and test-time scales are folded into the dense layers, dropout is removed; the weights are
    copied and packed. In float32, if nothing is folded, the outputs equal the model's bit for bit (if inputs are
    finite, and nothing underflows to -0.0).

    Args:
        model: a model whose evaluation pass runs only ops that the engine supports; it may have layers of your own.
        sparse: whether layers are stored without their zeros. "auto" times both forms of each layer on this machine,
            with its inputs for the calibration examples. Without calibration, inputs without zeros and with many are
            timed: a layer is stored sparse if that is faster in total and takes at most 5 % longer on either (the dense
            form skips zero inputs of single examples). The outputs are the same bits in both forms.
        dtype: of the weights. bfloat16 halves their size and computes in float32 with the rounded weights; int8 has a
            scale for each output, and its layers compute with bytes and exact integer sums (Jacob et al. 2018).
        calibration: examples, (n, n_in), as `InferenceModel.predict` takes them. int8 needs them to find the range of
            each layer's inputs, ``sparse="auto"`` times with some of them. With examples, `InferenceModel.loss` has
            the differences from the outputs of the given model before any swap.
        batch_size: the batch size that "auto" times.
        swap: activations to replace, such as ``{"elu": "relu"}``; faster, but it changes the function.
        validation: held-out labelled examples, a data set or (x, y); `InferenceModel.validation` has the accuracy
            before and after. With one output, labels are 0 and 1, and the threshold is 0, or 0.5 after a sigmoid.
        original: the model to compare with, if the given one was changed before, such as by `prune`.
        input_shape: of an example; `predict` takes an example as one row. By default it is inferred from the first
            layer with ``n_in`` or ``n``.

    Raises:
        TypeError: the engine does not support an op (the message names its layer); an argument has the wrong type.
        ValueError: an unknown dtype or activation, int8 without calibration, weights that are not finite or, once
            folded, too large for float32, ``sparse=True`` for a layer of more than 65536 inputs; labels that do not
            fit, an original of other sizes.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"compile: model must be a Module, got {type(model).__name__}")
    if sparse not in (True, False, "auto"):
        raise ValueError(f"compile: sparse must be True, False or 'auto', got {sparse!r}")
    if dtype not in get_args(Dtype):
        raise ValueError(f"compile: dtype must be one of {', '.join(get_args(Dtype))}, got {dtype!r}")
    if dtype == "int8" and calibration is None:
        raise ValueError("compile: dtype='int8' needs calibration examples to find the range of each layer's inputs")
    batch_size = positive_integer("compile", "batch_size", batch_size)
    exact = rounded(program_of(model, _swaps(swap), input_shape))
    given = exact
    if original is not None or swap:
        given = rounded(program_of(model if original is None else original, {}, input_shape))
    if (given.n_in, given.widths[-1]) != (exact.n_in, exact.widths[-1]):
        raise ValueError(
            f"compile: original maps {given.n_in} inputs to {given.widths[-1]} outputs, must be {exact.n_in} to "
            f"{exact.widths[-1]} like the model"
        )
    examples = None if calibration is None else images_of("compile", "calibration", calibration, exact.n_in)
    if examples is not None and not len(examples):
        raise ValueError("compile: calibration has no examples")
    labelled = None if validation is None else _labelled(validation, exact)
    program = exact
    if dtype == "bfloat16":
        program = _with_weights(exact, lambda p: replace(p.weights, values=to_bfloat16(p.weights.values)))
    elif dtype == "int8":
        program = quantized(exact, examples)
    program = _with_weights(program, lambda p: _chosen(p, sparse, lambda: _inputs(program, p, examples, batch_size)))
    return InferenceModel(
        program,
        None if examples is None else loss_of(given, program, examples),
        None if labelled is None else validation_of(given, program, *labelled),
    )


def _labelled(validation: Any, program: Program) -> tuple[Floats, Any]:
    """The examples and labels of a data set or a pair."""
    pair = (validation.inputs, validation.y) if isinstance(validation, Dataset) else validation
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"compile: validation is a {type(validation).__name__}, must be a data set or a pair (x, y)")
    x = images_of("compile", "validation", pair[0], program.n_in)
    return x, labels_of(pair[1], len(x), program.widths[-1])


def _swaps(swap: Mapping[str, str] | None) -> Mapping[str, str]:
    for name in (name for pair in (swap or {}).items() for name in pair):
        if name not in ALPHA:
            raise ValueError(f"compile: swap must name activations among {', '.join(ALPHA)}, got {name!r}")
    return swap or {}


def _with_weights(program: Program, change: Any) -> Program:
    stages = (replace(s, weights=change(s)) if isinstance(s, Product) else s for s in program.stages)
    return Program(program.n_in, tuple(stages))


def _chosen(product: Product, sparse: bool | Literal["auto"], inputs: Callable[[], list[list[Floats]]]) -> Weights:
    weights = product.weights
    if weights.n_in > MOST_SPARSE_INPUTS:
        if sparse is True:
            raise ValueError(
                f"compile: layer {product.name!r} has {weights.n_in} inputs, sparse weights take at most 65536"
            )
        return weights
    if sparse is False or (sparse == "auto" and weights.density > DENSEST):
        return weights
    if sparse is True:
        return weights.sparse()
    if kernels.backend() == "reference":
        return weights.sparse() if weights.density < DENSEST / 2 else weights  # nothing to measure
    candidates = (weights, weights.sparse())
    engines = [Program(w.n_in, (replace(product, source=0, target=1, weights=w),)).engine() for w in candidates]
    dense, other = zip(*(_times(engines, batches) for batches in inputs()), strict=True)
    gains = sum(other) < sum(dense) and all(b <= TOLERANCE * a for a, b in zip(dense, other, strict=True))
    return candidates[int(gains)]


def _inputs(program: Program, product: Product, examples: Floats | None, batch_size: int) -> list[list[Floats]]:
    """Batches to time a product with, by kind: its inputs for some examples; or inputs without and with zeros."""
    if examples is None:
        full = np.full((batch_size, product.weights.n_in), 0.5, np.float32)
        return [[full], [full * (np.random.default_rng(0).random(full.shape) >= ZEROS)]]
    batches = max(1, TIMED // batch_size)
    chosen = np.arange(batches * batch_size) * len(examples) // (batches * batch_size)
    return [list(np.split(program.value(product.source, examples[chosen]), batches))]


def _times(engines: Sequence[Any], batches: Sequence[Floats]) -> list[float]:
    """Seconds that each engine takes for all batches, each in the best of several runs."""
    totals = [0.0] * len(engines)
    for x in batches:
        rounds = [[_seconds(engine, x) for engine in engines] for _ in range(15)]
        totals = [total + min(column) for total, column in zip(totals, zip(*rounds, strict=True), strict=True)]
    return totals


def _seconds(engine: Any, x: Floats) -> float:
    start = time.perf_counter()
    engine.run(x, None)
    return time.perf_counter() - start
