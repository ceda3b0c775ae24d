"""From PyTorch: a ``Sequential``, or the weights of any model.

PyTorch itself is not imported: the converter only reads attributes of its objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from minidnn import nn
from minidnn.activations import ACTIVATIONS, Activation
from minidnn.convert.building import (
    ConversionError,
    M,
    as_array,
    batch_norm,
    dense,
    embedding,
    embedding_bag,
    group_norm,
    layer_norm,
    prelu,
    rms_norm,
    sequential,
)
from minidnn.convert.weights import Table, put_groups
from minidnn.reference.types import Array


@overload
def from_torch(source: Any) -> nn.Sequential: ...
@overload
def from_torch(source: Any, into: M, names: Mapping[str, str] | None = None) -> M: ...
def from_torch(source: Any, into: M | None = None, names: Mapping[str, str] | None = None) -> M | nn.Sequential:
    """Converts a PyTorch ``Sequential``; or, with ``into``, copies the weights of any module or ``state_dict``.

    A ``Sequential``, nested or not, may contain Linear, Embedding, EmbeddingBag, BatchNorm1d, LayerNorm, RMSNorm,
    GroupNorm, Dropout, AlphaDropout, Flatten, Unflatten (of rows), Softmax, LogSoftmax, GLU, Identity, PReLU, RReLU,
    and every elementwise activation of `minidnn.activations` that PyTorch has. The matrices of Linear are transposed.
    An activation moves into the dense layer before it if that layer can run it. Layers keep their names.

    Args:
        source: a ``torch.nn.Sequential``; with ``into`` any ``torch.nn.Module``, or a ``state_dict``.
        into: the model that receives the weights; its training or evaluation mode is kept. A ``state_dict`` requires
            it, since it holds no activations.
        names: name of a PyTorch module -> path of a layer of ``into``, such as ``{"fc1": "hidden1"}``; by default
            layers are paired in order.

    Returns:
        A model in evaluation mode, or ``into``.

    Raises:
        TypeError: source has the wrong type.
        ConversionError: a layer, one of its options or a tensor is not supported; names or shapes do not match.
    """
    if into is not None:
        return _put(source, into, names)
    if isinstance(source, Mapping):
        raise TypeError(
            "from_torch: source is a state_dict, which holds only weights; load them into a model: "
            "from_torch(state_dict, into=model)"
        )
    if _kind(source) != "Sequential":
        raise TypeError(
            f"from_torch: source must be a torch.nn.Sequential, got {type(source).__name__}; "
            "load the weights of another module into a model: from_torch(source, into=model)"
        )
    layers: list[nn.Module] = []
    shape: Sequence[int] = ()
    for path, part in _flat(source):
        make = LAYERS.get(_kind(part) or "")
        if make is None or part._forward_hooks or part._forward_pre_hooks:  # a hook may change the output
            raise ConversionError(f"from_torch: layer {path} is {part!r}, which is not supported")
        layer = make(path, part, shape[-1] if shape else None)
        if layer is not None:
            shape = _shape(layer, shape)
            layers.append(layer)
    return sequential(layers)


def _kind(part: Any) -> str | None:
    """The class name of a module of torch.nn; None for other classes, which may compute anything."""
    kind = type(part)
    return kind.__name__ if kind.__module__.startswith("torch.nn.modules.") else None


def _flat(container: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in container.named_children():
        if _kind(part) == "Sequential":
            yield from _flat(part, f"{prefix}{name}_")
        else:
            yield prefix + name, part


def _shape(layer: nn.Module, shape: Sequence[int]) -> Sequence[int]:
    """The shape of a layer's output for one example; () if it is unknown, with -1 for an unknown axis."""
    if isinstance(layer, nn.Dense):
        return (*shape[:-1], layer.n_out)
    if isinstance(layer, nn.EmbeddingBag):
        return (layer.n_out,)
    if isinstance(layer, nn.Embedding):
        return (-1, layer.n_out)
    if isinstance(layer, nn.Reshape):
        return layer.shape
    if isinstance(layer, nn.Flatten):
        return (math.prod(shape),) if shape and min(shape) >= 0 else ()
    n = getattr(layer, "n", None)
    return shape if shape or n is None else (n,)


# Converters of single layers; the arguments are path, PyTorch's layer, and the width of its input if known.


def _linear(path: str, part: Any, width: int | None) -> nn.Module:
    bias = None if part.bias is None else as_array(f"{path}.bias", part.bias)
    return dense(as_array(f"{path}.weight", part.weight).T, bias, name=path)


def _batch_norm(path: str, part: Any, width: int | None) -> nn.Module:
    if part.running_mean is None:
        raise ConversionError(f"from_torch: layer {path} is {part!r}: without running statistics it is not supported")
    if part.momentum is None:
        raise ConversionError(f"from_torch: layer {path} is {part!r}: a cumulative average is not supported")
    n = part.num_features
    return batch_norm(
        *_affine(path, part, n),
        as_array(f"{path}.running_mean", part.running_mean),
        as_array(f"{path}.running_var", part.running_var),
        eps=part.eps,
        momentum=1.0 - part.momentum,
        name=path,
    )


def _layer_norm(path: str, part: Any, width: int | None) -> nn.Module:
    if len(part.normalized_shape) != 1:
        raise ConversionError(f"from_torch: layer {path} is {part!r}: normalized_shape must have one axis")
    return layer_norm(*_affine(path, part, part.normalized_shape[0]), eps=part.eps, name=path)


def _affine(path: str, part: Any, n: int) -> tuple[Array, Array]:
    gamma = np.ones(n, np.float32) if part.weight is None else as_array(f"{path}.weight", part.weight)
    bias = getattr(part, "bias", None)  # RMSNorm has none
    beta = np.zeros(n, np.float32) if bias is None else as_array(f"{path}.bias", bias)
    return gamma, beta


def _rms_norm(path: str, part: Any, width: int | None) -> nn.Module:
    if len(part.normalized_shape) != 1:
        raise ConversionError(f"from_torch: layer {path} is {part!r}: normalized_shape must have one axis")
    gamma = _affine(path, part, part.normalized_shape[0])[0]
    return rms_norm(gamma, eps=float(np.finfo(np.float32).eps) if part.eps is None else part.eps, name=path)


def _group_norm(path: str, part: Any, width: int | None) -> nn.Module:
    return group_norm(*_affine(path, part, part.num_channels), groups=part.num_groups, eps=part.eps, name=path)


def _embedding(path: str, part: Any, width: int | None) -> nn.Module:
    return embedding(_rows(path, part), part.padding_idx, path)


def _embedding_bag(path: str, part: Any, width: int | None) -> nn.Module:
    if part.mode not in ("sum", "mean") or part.include_last_offset:
        raise ConversionError(
            f"from_torch: layer {path} is {part!r}: mode must be 'sum' or 'mean', include_last_offset False"
        )
    return embedding_bag(_rows(path, part), part.mode, part.padding_idx, path)


def _rows(path: str, part: Any) -> Array:
    if part.max_norm is not None or part.scale_grad_by_freq:
        raise ConversionError(
            f"from_torch: layer {path} is {part!r}: max_norm and scale_grad_by_freq are not supported"
        )
    return as_array(f"{path}.weight", part.weight)


def _unflatten(path: str, part: Any, width: int | None) -> nn.Module:
    sizes = part.unflattened_size
    plain = isinstance(sizes, (tuple, list)) and all(isinstance(n, int) for n in sizes)
    if part.dim not in (1, -1) or not plain or (-1 in sizes and width is None):
        raise ConversionError(
            f"from_torch: layer {path} is {part!r}: dim must be 1 or -1, and the sizes integers that are known"
        )
    if -1 in sizes:
        rest = -math.prod(sizes)
        sizes = [(width or 0) // rest if n == -1 else n for n in sizes]
    return nn.Reshape(sizes, name=path)


def _prelu(path: str, part: Any, width: int | None) -> nn.Module:
    slopes = as_array(f"{path}.weight", part.weight)
    if slopes.size == 1:
        if width is None:
            raise ConversionError(f"from_torch: layer {path} is {part!r}: the width of its input is unknown")
        slopes = np.full(width, slopes.item(), np.float32)
    return prelu(slopes, path)


def _along_rows(make: Callable[..., nn.Module]) -> Callable[[str, Any, int | None], nn.Module]:
    def layer(path: str, part: Any, width: int | None) -> nn.Module:
        if part.dim not in (1, -1):
            raise ConversionError(f"from_torch: layer {path} is {part!r}: dim must be 1 or -1")
        return make(name=path)

    return layer


def _flatten(path: str, part: Any, width: int | None) -> nn.Module:
    if (part.start_dim, part.end_dim) != (1, -1):
        raise ConversionError(f"from_torch: layer {path} is {part!r}: start_dim must be 1 and end_dim -1")
    return nn.Flatten(name=path)


def _plain(row: Activation) -> Callable[[str, Any, int | None], nn.Module]:
    def layer(path: str, part: Any, width: int | None) -> nn.Module:
        for setting, low, high in row.torch_settings:
            if not low <= getattr(part, setting) <= high:
                wanted = f"{low:g}" if low == high else f"from {low:g} to {high:g}"
                raise ConversionError(f"from_torch: layer {path} is {part!r}: {setting} must be {wanted}")
        made: nn.Module = getattr(nn, row.layer)(name=path)
        return made

    return layer


LAYERS: dict[str, Callable[[str, Any, int | None], nn.Module | None]] = {
    **{row.torch: _plain(row) for row in ACTIVATIONS.values() if row.torch},
    "AlphaDropout": lambda path, part, width: nn.AlphaDropout(part.p, name=path),
    "BatchNorm1d": _batch_norm,
    "CELU": lambda path, part, width: nn.CELU(part.alpha, name=path),
    "Dropout": lambda path, part, width: nn.Dropout(part.p, name=path),
    "Embedding": _embedding,
    "EmbeddingBag": _embedding_bag,
    "ELU": lambda path, part, width: nn.ELU(part.alpha, name=path),
    "Flatten": _flatten,
    "GELU": lambda path, part, width: nn.GELU(part.approximate, name=path),
    "GLU": _along_rows(nn.GLU),
    "GroupNorm": _group_norm,
    "Identity": lambda path, part, width: None,
    "LayerNorm": _layer_norm,
    "LeakyReLU": lambda path, part, width: nn.LeakyReLU(part.negative_slope, name=path),
    "Linear": _linear,
    "LogSoftmax": _along_rows(nn.LogSoftmax),
    "PReLU": _prelu,
    "RMSNorm": _rms_norm,
    "RReLU": lambda path, part, width: nn.RReLU(part.lower, part.upper, name=path),
    "Softmax": _along_rows(nn.Softmax),
    "Unflatten": _unflatten,
}
"""The converter of each PyTorch layer, by class name; None as its result drops the layer."""


# Weights alone

OURS: Table = {
    nn.Dense: {"weight": "kernel.T", "bias": "bias"},
    nn.Embedding: {"weight": "kernel"},
    nn.EmbeddingBag: {"weight": "kernel"},
    nn.GroupNorm: {"weight": "gamma", "bias": "beta"},
    nn.RMSNorm: {"weight": "gamma"},
    nn.BatchNorm: {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "running_mean",
        "running_var": "running_var",
    },
    nn.LayerNorm: {"weight": "gamma", "bias": "beta"},
    nn.PReLU: {"weight": "slopes"},
}


def _put(source: Any, into: M, names: Mapping[str, str] | None) -> M:
    state = source if isinstance(source, Mapping) else getattr(source, "state_dict", lambda: None)()
    if not isinstance(state, Mapping):
        raise TypeError(f"from_torch: source must be a torch.nn.Module or a state_dict, got {type(source).__name__}")
    groups: dict[str, dict[str, Array]] = {}
    for path, value in state.items():
        module, _, tensor = path.rpartition(".")
        if tensor != "num_batches_tracked":
            groups.setdefault(module, {})[tensor] = as_array(f"from_torch: {path}", value)
    return put_groups("from_torch", groups, into, names, OURS)
