"""Shared by all converters: builds layers from existing weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from minidnn import nn
from minidnn.activations import ALPHA, LAYERS
from minidnn.nn.initializers import deferred

M = TypeVar("M", bound=nn.Module)


class ConversionError(ValueError):
    """A model that has no equivalent here; the message names the unsupported part."""


def as_array(where: str, value: Any) -> np.ndarray[Any, Any]:
    """Converts a tensor of any library to a float32 array.

    Raises:
        ConversionError: the tensor is not floating-point.
    """
    if hasattr(value, "detach"):  # PyTorch: float() for bfloat16, which NumPy does not have
        value = value.detach().cpu().float()
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConversionError(f"{where} cannot be read as an array: {error}") from error
    if array.dtype.kind != "f":
        raise ConversionError(f"{where} is an array of {array.dtype}, must be floating-point")
    return np.ascontiguousarray(array, np.float32)


def fill(module: M, **tensors: Any) -> M:
    """Loads these parameters and buffers into the module, and returns it.

    Raises:
        ConversionError: a tensor is missing, has the wrong shape, or is not floating-point.
    """
    for name, value in tensors.items():
        dtype = np.asarray(value).dtype
        if dtype.kind != "f":
            raise ConversionError(f"{module.label}: {name} is {dtype}, must be floating-point")
    try:
        module.load_state_dict(tensors, assign=True)
    except ValueError as error:
        raise ConversionError(f"{module.label}: {str(error).removeprefix('load_state_dict: ')}") from error
    return module


def dense(kernel: Any, bias: Any = None, activation: str | None = None, name: str | None = None) -> nn.Dense:
    """A dense layer with this kernel (n_in, n_out) and bias; the bias is zeros if it is None.

    Raises:
        ConversionError: the kernel is not a matrix, or is empty.
    """
    kernel = np.asarray(kernel)
    if kernel.ndim != 2 or not kernel.size:
        raise ConversionError(f"{name or 'a dense layer'}: its kernel has shape {kernel.shape}, must be (n_in, n_out)")
    with deferred():
        layer = nn.Dense(kernel.shape[0], kernel.shape[1], activation, name=name)
    return fill(layer, kernel=kernel, bias=np.zeros(kernel.shape[1], np.float32) if bias is None else bias)


def batch_norm(
    gamma: Any, beta: Any, mean: Any, var: Any, *, eps: float, momentum: float, name: str | None = None
) -> nn.BatchNorm:
    """A batch normalization with these parameters and running statistics."""
    with deferred():
        layer = nn.BatchNorm(np.size(mean), momentum=momentum, eps=eps, name=name)
    return fill(layer, gamma=gamma, beta=beta, running_mean=mean, running_var=var)


def layer_norm(gamma: Any, beta: Any, *, eps: float, name: str | None = None) -> nn.LayerNorm:
    """A layer normalization with these parameters; beta is zeros if it is None."""
    with deferred():
        layer = nn.LayerNorm(np.size(gamma), eps=eps, name=name)
    return fill(layer, gamma=gamma, beta=np.zeros_like(gamma) if beta is None else beta)


def rms_norm(gamma: Any, *, eps: float, name: str | None = None) -> nn.RMSNorm:
    """A root mean square normalization with this scale."""
    with deferred():
        layer = nn.RMSNorm(np.size(gamma), eps=eps, name=name)
    return fill(layer, gamma=gamma)


def group_norm(gamma: Any, beta: Any, *, groups: int, eps: float, name: str | None = None) -> nn.GroupNorm:
    """A group normalization with these parameters."""
    with deferred():
        layer = nn.GroupNorm(groups, np.size(gamma), eps=eps, name=name)
    return fill(layer, gamma=gamma, beta=beta)


def normalization(mean: Any, var: Any, *, smallest: float = 0.0, name: str | None = None) -> nn.Normalization:
    """A normalization with these statistics; standard deviations are at least `smallest`."""
    with deferred():
        layer = nn.Normalization(np.size(mean), name=name)
    return fill(layer, mean=np.reshape(mean, -1), var=np.reshape(np.maximum(var, np.float32(smallest**2)), -1))


def embedding(kernel: Any, padding: int | None = None, name: str | None = None) -> nn.Embedding:
    """An embedding with this table of rows."""
    with deferred():
        layer = nn.Embedding(kernel.shape[0], kernel.shape[1], padding, name=name)
    return fill(layer, kernel=kernel)


def embedding_bag(kernel: Any, mode: Any, padding: int | None = None, name: str | None = None) -> nn.EmbeddingBag:
    """An embedding bag with this table of rows."""
    with deferred():
        layer = nn.EmbeddingBag(kernel.shape[0], kernel.shape[1], mode, padding, name=name)
    return fill(layer, kernel=kernel)


def prelu(slopes: Any, name: str | None = None) -> nn.PReLU:
    """A PReLU with these slopes."""
    with deferred():
        layer = nn.PReLU(np.size(slopes), name=name)
    return fill(layer, slopes=np.reshape(slopes, -1))


def fuse(layers: Sequence[nn.Module]) -> list[nn.Module]:
    """The layers, with each activation that a dense layer can run itself moved into the dense layer before it."""
    fused: list[nn.Module] = []
    for layer in layers:
        before = fused[-1] if fused else None
        if isinstance(before, nn.Dense) and before.activation is None and fits(layer):
            fused[-1] = dense(before.kernel.data, before.bias.data, name_of(layer), before.name)
        else:
            fused.append(layer)
    return fused


def fits(layer: nn.Module) -> bool:
    """Whether a dense layer can run this activation, with the same alpha."""
    name = name_of(layer)
    return name is not None and getattr(layer, "alpha", ALPHA[name]) == ALPHA[name]


def name_of(layer: nn.Module) -> str | None:
    """The name of an activation layer as an argument of `nn.Dense`; None for other layers."""
    if isinstance(layer, nn.GELU):
        return layer.op
    name = LAYERS.get(type(layer).__name__)
    return name if name is not None and type(layer) is getattr(nn, type(layer).__name__) else None


def sequential(layers: Sequence[nn.Module]) -> nn.Sequential:
    """A `nn.Sequential` of the layers, with activations fused, in evaluation mode.

    Raises:
        ConversionError: there are no layers, or their names are invalid.
    """
    if not layers:
        raise ConversionError("the model has no layers")
    try:
        return nn.Sequential(*fuse(layers)).eval()
    except ValueError as error:
        raise ConversionError(str(error)) from error


def put(model: M, state: Mapping[str, Any], source: str) -> M:
    """Loads these weights into the model, in place, all of them or none, and returns it.

    Raises:
        ConversionError: paths or shapes do not match; the message lists them all.
    """
    try:
        model.load_state_dict(state)
    except ValueError as error:
        raise ConversionError(f"{source} does not fit: {str(error).removeprefix('load_state_dict: ')}") from error
    return model
