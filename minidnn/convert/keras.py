"""From Keras 3: a ``Sequential``, or a functional model that is one chain of layers.

Keras itself is not imported: the converter only reads attributes of its objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, overload

import numpy as np

from minidnn import nn
from minidnn.activations import ACTIVATIONS
from minidnn.convert.building import (
    ConversionError,
    M,
    as_array,
    batch_norm,
    dense,
    embedding,
    group_norm,
    layer_norm,
    normalization,
    prelu,
    rms_norm,
    sequential,
)
from minidnn.convert.weights import Table, put_groups
from minidnn.reference.types import Array


@overload
def from_keras(model: Any) -> nn.Sequential: ...
@overload
def from_keras(model: Any, into: M, names: Mapping[str, str] | None = None) -> M: ...
def from_keras(model: Any, into: M | None = None, names: Mapping[str, str] | None = None) -> M | nn.Sequential:
    """Converts a Keras model; or, with ``into``, copies the weights of any Keras model into a model of minidnn.

    The model may contain InputLayer, Dense, Embedding, Activation, ReLU, LeakyReLU, ELU, PReLU, Softmax,
    BatchNormalization, LayerNormalization, GroupNormalization, RMSNormalization, Normalization, Rescaling, Dropout,
    AlphaDropout, GaussianNoise, Flatten, Reshape, and Sequentials of these. Layers keep their names.

    Args:
        model: a ``Sequential`` or a functional model that is one chain; with ``into`` any model of layers.
        into: the model that receives the weights; its training or evaluation mode is kept. For models that branch.
        names: name of a Keras layer -> path of a layer of ``into``; by default layers are paired in order.

    Returns:
        A model in evaluation mode, or ``into``.

    Raises:
        TypeError: model is not a Keras model.
        ConversionError: a layer, one of its options or a tensor is not supported; the model branches or is not built;
            names or shapes do not match.
    """
    if into is not None:
        return put_groups("from_keras", _groups(model), into, names, OURS)
    if _kind(model) not in ("Sequential", "Functional"):
        raise TypeError(
            f"from_keras: model must be a keras.Sequential or a functional Model, got {type(model).__name__}"
        )
    layers: list[nn.Module] = []
    for part in _chain(model):
        make = LAYERS.get(_kind(part) or "")
        if make is None:
            raise ConversionError(f"from_keras: layer {part.name} is a {type(part).__name__}, which is not supported")
        layers += make(part)
    return sequential(layers)


def _kind(part: Any) -> str | None:
    """The class name of a Keras object; None for other classes, which may compute anything."""
    kind = type(part)
    return kind.__name__ if kind.__module__.split(".")[0] == "keras" else None


def _chain(model: Any) -> Iterator[Any]:
    """The layers in order.

    Raises:
        ConversionError: a functional model in which the input of a layer is not the output of the layer before it.
    """
    before: Any = None
    for part in model.layers:
        if _kind(model) == "Functional" and before is not None and part.input is not before.output:
            raise ConversionError(
                f"from_keras: the input of layer {part.name} is not the output of {before.name}: the model is not a "
                "chain; copy its weights with into=model"
            )
        before = part
        if _kind(part) in ("Sequential", "Functional"):
            yield from _chain(part)
        else:
            yield part


def _refuse(part: Any, why: str) -> ConversionError:
    return ConversionError(f"from_keras: layer {part.name}, a {type(part).__name__}: {why}")


def _activation(part: Any, function: Any, name: str | None) -> list[nn.Module]:
    called = getattr(function, "__name__", repr(function))
    if getattr(function, "__module__", "").split(".")[0] != "keras" or called not in NAMES:
        raise _refuse(part, f"activation {called} is not supported")
    make = NAMES[called]
    return [] if make is None else [make(name=name)]


NAMES: dict[str, Callable[..., nn.Module] | None] = {
    **{row.keras: getattr(nn, row.layer) for row in ACTIVATIONS.values() if row.keras},
    "leaky_relu": lambda name: nn.LeakyReLU(0.2, name=name),  # Keras's slope
    "linear": None,
    "log_softmax": nn.LogSoftmax,
    "softmax": nn.Softmax,
}


def _weight(part: Any, name: str) -> Any:
    variable = getattr(part, name, None)
    return None if variable is None else as_array(f"{part.name}.{name}", np.asarray(variable))


def _dense(part: Any) -> list[nn.Module]:
    if not part.built:
        raise _refuse(part, "it is not built, so it has no weights")
    if getattr(part, "lora_enabled", False) or getattr(part, "quantization_mode", None):
        raise _refuse(part, "low-rank updates and quantized weights are not supported")
    layer = dense(_weight(part, "kernel"), _weight(part, "bias"), name=part.name)
    return [layer, *_activation(part, part.activation, f"{part.name}_activation")]


def _only_last_axis(part: Any) -> None:
    axis = part.axis if isinstance(part.axis, (list, tuple)) else [part.axis]
    if list(axis) not in ([-1], [1]):
        raise _refuse(part, f"axis is {part.axis}, must be the last of two axes")


def _batch_norm(part: Any) -> list[nn.Module]:
    _only_last_axis(part)
    mean, var = _weight(part, "moving_mean"), _weight(part, "moving_variance")
    if mean is None or var is None:
        raise _refuse(part, "it is not built, so it has no weights")
    gamma, beta = _weight(part, "gamma"), _weight(part, "beta")
    gamma, beta = np.ones_like(mean) if gamma is None else gamma, np.zeros_like(mean) if beta is None else beta
    return [batch_norm(gamma, beta, mean, var, eps=part.epsilon, momentum=part.momentum, name=part.name)]


def _layer_norm(part: Any) -> list[nn.Module]:
    _only_last_axis(part)
    if getattr(part, "rms_scaling", False):
        raise _refuse(part, "rms_scaling is not supported")
    gamma, beta = _weight(part, "gamma"), _weight(part, "beta")
    if gamma is None and beta is None:
        raise _refuse(part, "without gamma and beta its width is unknown")
    return [layer_norm(np.ones_like(beta) if gamma is None else gamma, beta, eps=part.epsilon, name=part.name)]


def _rms_norm(part: Any) -> list[nn.Module]:
    _only_last_axis(part)
    return [rms_norm(_weight(part, "scale"), eps=part.epsilon, name=part.name)]


def _group_norm(part: Any) -> list[nn.Module]:
    _only_last_axis(part)
    gamma, beta = _weight(part, "gamma"), _weight(part, "beta")
    if gamma is None and beta is None:
        raise _refuse(part, "without gamma and beta its width is unknown")
    gamma = np.ones_like(beta) if gamma is None else gamma
    beta = np.zeros_like(gamma) if beta is None else beta
    return [group_norm(gamma, beta, groups=part.groups, eps=part.epsilon, name=part.name)]


def _normalization(part: Any) -> list[nn.Module]:
    mean, var = _weight(part, "mean"), _weight(part, "variance")
    if mean is None or var is None:
        raise _refuse(part, "it has no statistics; call its adapt first")
    if part.invert:
        raise _refuse(part, "invert is not supported")
    if mean.size == 1 and not part.axis:  # one mean and one variance for all features
        scale = 1 / max(math.sqrt(var.item()), DEVIATION)
        return [nn.Rescaling(scale, -mean.item() * scale, name=part.name)]
    if mean.ndim != 2:
        raise _refuse(part, f"axis is {part.axis}, must be the last of two axes")
    return [normalization(mean, var, smallest=DEVIATION, name=part.name)]


DEVIATION = 1e-7
"""The smallest standard deviation that Keras's Normalization divides by: ``keras.config.epsilon()``."""


def _rescaling(part: Any) -> list[nn.Module]:
    if np.size(part.scale) != 1 or np.size(part.offset) != 1:
        raise _refuse(part, "scale and offset must be numbers")
    return [nn.Rescaling(float(part.scale), float(part.offset), name=part.name)]


def _embedding(part: Any) -> list[nn.Module]:
    kernel = _weight(part, "embeddings") if part.built else None
    if kernel is None or getattr(part, "lora_enabled", False) or getattr(part, "quantization_mode", None):
        raise _refuse(part, "low-rank updates, quantized weights and layers that are not built are not supported")
    return [embedding(kernel, name=part.name)]


def _relu(part: Any) -> list[nn.Module]:
    if part.max_value is not None or part.threshold:
        raise _refuse(part, "max_value and threshold are not supported")
    slope = float(part.negative_slope)
    return [nn.LeakyReLU(slope, name=part.name) if slope else nn.ReLU(name=part.name)]


def _prelu(part: Any) -> list[nn.Module]:
    alpha = _weight(part, "alpha")
    if alpha is None or alpha.ndim != 1:
        raise _refuse(part, "alpha must be a vector, one slope for each feature")
    return [prelu(alpha, part.name)]


def _softmax(part: Any) -> list[nn.Module]:
    _only_last_axis(part)
    return [nn.Softmax(name=part.name)]


def _flatten(part: Any) -> list[nn.Module]:
    if part.data_format == "channels_first":
        raise _refuse(part, "channels_first is not supported")
    return [nn.Flatten(name=part.name)]


LAYERS: dict[str, Callable[[Any], list[nn.Module]]] = {
    "Activation": lambda part: _activation(part, part.activation, part.name),
    "AlphaDropout": lambda part: [nn.AlphaDropout(part.rate, name=part.name)],
    "BatchNormalization": _batch_norm,
    "Dense": _dense,
    "Dropout": lambda part: [nn.Dropout(part.rate, name=part.name)],
    "ELU": lambda part: [nn.ELU(part.alpha, name=part.name)],
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GaussianNoise": lambda part: [nn.GaussianNoise(part.stddev, name=part.name)],
    "GroupNormalization": _group_norm,
    "InputLayer": lambda part: [],
    "LayerNormalization": _layer_norm,
    "LeakyReLU": lambda part: [nn.LeakyReLU(part.negative_slope, name=part.name)],
    "Normalization": _normalization,
    "PReLU": _prelu,
    "RMSNormalization": _rms_norm,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": lambda part: [nn.Reshape(part.target_shape, name=part.name)],
    "Softmax": _softmax,
}
"""The converter of each Keras layer, by class name."""


# Weights alone

OURS: Table = {
    nn.Dense: {"kernel": "kernel", "bias": "bias"},
    nn.BatchNorm: {
        "gamma": "gamma",
        "beta": "beta",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
    nn.Embedding: {"embeddings": "kernel"},
    nn.GroupNorm: {"gamma": "gamma", "beta": "beta"},
    nn.LayerNorm: {"gamma": "gamma", "beta": "beta"},
    nn.Normalization: {"mean": "mean", "variance": "var"},
    nn.RMSNorm: {"scale": "gamma"},
    nn.PReLU: {"alpha": "slopes"},
}


def _groups(model: Any) -> dict[str, dict[str, Array]]:
    if not hasattr(model, "layers"):
        raise TypeError(f"from_keras: model must be a Keras model, got {type(model).__name__}")
    groups: dict[str, dict[str, Array]] = {}
    for part in model.layers:
        if hasattr(part, "layers"):
            groups |= _groups(part)
            continue
        # Neither the seeds of dropout nor the count of a Normalization is converted.
        weights = {w.name: w for w in part.weights if "seed" not in w.path and (w.name != "count" or not _adapts(part))}
        if weights:
            groups[part.name] = {name: as_array(f"{part.name}.{name}", np.asarray(w)) for name, w in weights.items()}
        if "variance" in weights and _adapts(part):
            groups[part.name]["variance"] = np.maximum(groups[part.name]["variance"], np.float32(DEVIATION**2))
    return groups


def _adapts(part: Any) -> bool:
    return _kind(part) == "Normalization"
