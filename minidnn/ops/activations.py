"""Activations: each calls its kernel, and the kernel of its derivative in backward."""

from __future__ import annotations

from typing import Any

from minidnn import kernels
from minidnn.activations import ACTIVATIONS
from minidnn.checks import held_by_float
from minidnn.random import Generator, default_generator
from minidnn.recording import mode
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record

__all__ = [
    "celu",
    "dropout",
    "elu",
    "gelu",
    "gelu_tanh",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "maxout",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
    "thresholded_relu",
]


def whole(array: Array) -> Array:
    """Returns the array, copied if it is not contiguous: most kernels need contiguous memory."""
    return array if array.flags.c_contiguous else kernels.copy(array)


def elementwise(name: str, x: Any, alpha: float | None = None) -> Tensor:
    """The activation of that name; its derivative reads x or y as ``Activation.reads`` says."""
    x, row = as_tensor(x), ACTIVATIONS[name]
    forward, backward = kernels.activation(name)
    settings = row.settings(held_by_float(name, "alpha", alpha))
    attributes: dict[str, Any] = {"alpha": settings[0]} if settings else {}
    value = whole(x._data)
    y = forward(value, *settings)
    if row.reads == "y":
        return record(y, (x,), lambda dy: (backward(whole(dy), y, *settings),), op=name, **attributes)
    rule = lambda dy: (backward(whole(dy), value, *settings),)  # noqa: E731
    return record(y, (x,), rule, reads=(x,), op=name, **attributes)


def relu(x: Tensor) -> Tensor:
    """y = max(x, 0)   (Nair & Hinton 2010)."""
    return elementwise("relu", x)


def leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    """y = x where x > 0, else alpha * x, for alpha > 0   (Maas et al. 2013)."""
    _check_positive("leaky_relu", alpha)
    return elementwise("leaky_relu", x, alpha)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else alpha * (exp(x) - 1), for alpha > 0   (Clevert et al. 2015)."""
    _check_positive("elu", alpha)
    return elementwise("elu", x, alpha)


def selu(x: Tensor) -> Tensor:
    """y = 1.0507 * elu(x, 1.6733): activations drift to mean 0 and variance 1   (Klambauer et al. 2017)."""
    return elementwise("selu", x)


def tanh(x: Tensor) -> Tensor:
    """y = tanh(x)."""
    return elementwise("tanh", x)


def sigmoid(x: Tensor) -> Tensor:
    """y = 1 / (1 + exp(-x)), the sigmoid (the logistic function)."""
    return elementwise("sigmoid", x)


def softplus(x: Tensor) -> Tensor:
    """y = log(1 + exp(x))   (Dugas et al. 2001)."""
    return elementwise("softplus", x)


def relu6(x: Tensor) -> Tensor:
    """y = min(max(x, 0), 6)   (Krizhevsky 2010)."""
    return elementwise("relu6", x)


def hardtanh(x: Tensor) -> Tensor:
    """y = min(max(x, -1), 1)   (Collobert 2004)."""
    return elementwise("hardtanh", x)


def hardsigmoid(x: Tensor) -> Tensor:
    """y = min(max(x + 3, 0), 6) / 6   (Courbariaux et al. 2015, with the slope of Howard et al. 2019)."""
    return elementwise("hardsigmoid", x)


def hardswish(x: Tensor) -> Tensor:
    """y = x * hardsigmoid(x)   (Howard et al. 2019)."""
    return elementwise("hardswish", x)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else alpha * (exp(x / alpha) - 1), for alpha > 0   (Barron 2017)."""
    _check_positive("celu", alpha)
    return elementwise("celu", x, alpha)


def softsign(x: Tensor) -> Tensor:
    """``y = x / (1 + |x|)`` (Bergstra et al. 2009)."""
    return elementwise("softsign", x)


def thresholded_relu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """y = x where x > alpha, else 0   (Konda et al. 2014)."""
    return elementwise("thresholded_relu", x, alpha)


def logsigmoid(x: Tensor) -> Tensor:
    """y = log(sigmoid(x)), computed without overflow."""
    return elementwise("logsigmoid", x)


def mish(x: Tensor) -> Tensor:
    """y = x * tanh(log(1 + exp(x)))   (Misra 2019)."""
    return elementwise("mish", x)


def silu(x: Tensor) -> Tensor:
    """y = x * sigmoid(x), also called Swish   (Elfwing et al. 2018, Ramachandran et al. 2017)."""
    return elementwise("silu", x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """y = x * P(Z <= x) for a standard normal Z   (Hendrycks & Gimpel 2016).

    ``approximate="tanh"`` computes `gelu_tanh` instead.

    Raises:
        ValueError: approximate is neither "none" nor "tanh".
    """
    return elementwise(gelu_op("gelu", approximate), x)


def gelu_op(owner: str, approximate: str) -> str:
    """The name of the op of an approximation."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"{owner}: approximate is {approximate!r}, must be 'none' or 'tanh'")
    return "gelu_tanh" if approximate == "tanh" else "gelu"


def gelu_tanh(x: Tensor) -> Tensor:
    """y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), approximates `gelu`   (Hendrycks & Gimpel 2016)."""
    return elementwise("gelu_tanh", x)


def glu(x: Tensor) -> Tensor:
    """y = a * sigmoid(b), where a and b are the halves of x along its last axis   (Dauphin et al. 2017).

    Raises:
        ValueError: the size of the last axis is odd, or x has no axes.
    """
    x = as_tensor(x)
    if x.ndim == 0 or x.shape[-1] % 2:
        raise ValueError(f"glu: x has shape {x.shape}, the size of its last axis must be even")
    half = x.shape[-1] // 2
    return x[..., :half] * sigmoid(x[..., half:])


def maxout(x: Tensor, pieces: int) -> Tensor:
    """y = the maximum of each ``pieces`` neighbours along the last axis   (Goodfellow et al. 2013).

    Raises:
        ValueError: the size of the last axis is not a multiple of pieces, or pieces < 1.
    """
    x = as_tensor(x)
    if x.ndim == 0 or pieces < 1 or x.shape[-1] % pieces:
        raise ValueError(
            f"maxout: x has shape {x.shape}, the size of its last axis must be a multiple of pieces, {pieces}"
        )
    return x.reshape(*x.shape[:-1], x.shape[-1] // pieces, pieces).max(axis=-1)


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """y = x where x > 0, else alpha * x, one learned slope per index of the last axis   (He et al. 2015)."""
    x, alpha = as_tensor(x), as_tensor(alpha)
    value, slopes = whole(x._data), whole(alpha._data)
    y = kernels.prelu(value, slopes)
    return record(
        y,
        (x, alpha),
        lambda dy: kernels.prelu_backward(whole(dy), value, slopes, alpha.requires_grad),
        reads=(x, alpha),
        op="prelu",
    )


def rrelu(
    x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = True, rng: Generator | None = None
) -> Tensor:
    """y = x where x > 0, else a * x with a ~ U[lower, upper), or its mean when not training   (Xu et al. 2015).

    Raises:
        ValueError: lower is not positive, or lower > upper.
    """
    x = as_tensor(x)
    _check_positive("rrelu", lower, "lower")
    if not lower <= held_by_float("rrelu", "upper", upper):
        raise ValueError(f"rrelu: upper is {upper}, must not be below lower, {lower}")
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    key = (rng or default_generator()).next_key()
    value = whole(x._data)
    y = kernels.rrelu(value, lower, upper, *key)
    return record(
        y,
        (x,),
        lambda dy: (kernels.rrelu_backward(whole(dy), value, lower, upper, *key),),
        reads=(x,),
        op="rrelu",
        random=True,
    )


def softmax(x: Tensor) -> Tensor:
    """y = exp(x) / sum(exp(x)) along the last axis."""
    x = as_tensor(x)
    y = kernels.softmax(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.softmax_backward(whole(dy), y),), op="softmax")


def log_softmax(x: Tensor) -> Tensor:
    """y = x - log(sum(exp(x))) along the last axis."""
    x = as_tensor(x)
    y = kernels.log_softmax(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.log_softmax_backward(whole(dy), y),), op="log_softmax")


def dropout(x: Tensor, rate: float, training: bool = True, rng: Generator | None = None) -> Tensor:
    """y = x / (1 - rate) with probability 1 - rate, else 0; y = x when not training   (Srivastava et al. 2014).

    The mask is not stored: backward computes it again from the same random counter.

    Raises:
        ValueError: rate is not in [0, 1).
    """
    x = as_tensor(x)
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"dropout: rate must be in [0, 1), got {rate}")
    if not training or rate == 0.0:
        return record(x._data.view(), (x,), None, op="dropout", rate=rate) if mode.tracing else x
    key = (rng or default_generator()).next_key()
    y = kernels.dropout(whole(x._data), rate, *key)
    return record(y, (x,), lambda dy: (kernels.dropout(whole(dy), rate, *key),), op="dropout", rate=rate, random=True)


def _check_positive(op: str, slope: float, argument: str = "alpha") -> None:
    # The derivative reads the sign of x from y; with a slope <= 0 the signs would differ.
    if not held_by_float(op, argument, slope) > 0:
        raise ValueError(f"{op}: {argument} must be positive, got {slope}")
