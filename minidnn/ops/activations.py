"""Activations; each is its kernel and the kernel's derivative."""

from __future__ import annotations

from minidnn import kernels
from minidnn.random import Generator, default_generator
from minidnn.recording import mode
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record


def whole(array: Array) -> Array:
    """The array, copied only if it is strided: most kernels want one piece of memory."""
    return array if array.flags.c_contiguous else kernels.copy(array)


def relu(x: Tensor) -> Tensor:
    """y = max(x, 0)   (Nair & Hinton 2010)."""
    x = as_tensor(x)
    y = kernels.relu(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.relu_backward(whole(dy), y),), op="relu")


def leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    """y = x where x > 0, else alpha * x, for alpha > 0   (Maas et al. 2013)."""
    x = as_tensor(x)
    _check_positive("leaky_relu", alpha)
    y = kernels.leaky_relu(whole(x._data), alpha)
    return record(y, (x,), lambda dy: (kernels.leaky_relu_backward(whole(dy), y, alpha),), op="leaky_relu", alpha=alpha)


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """y = x where x > 0, else alpha * x, one learned slope for each place on the last axis   (He et al. 2015)."""
    x, alpha = as_tensor(x), as_tensor(alpha)
    value, slopes = whole(x._data), alpha._data
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
    """y = x where x > 0, else a * x with a ~ U[lower, upper), or its mean when not training   (Xu et al. 2015)."""
    x = as_tensor(x)
    _check_positive("rrelu", lower)
    if not lower <= upper:
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


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else alpha * (exp(x) - 1), for alpha > 0   (Clevert et al. 2015)."""
    x = as_tensor(x)
    _check_positive("elu", alpha)
    y = kernels.elu(whole(x._data), alpha)
    return record(y, (x,), lambda dy: (kernels.elu_backward(whole(dy), y, alpha),), op="elu", alpha=alpha)


def selu(x: Tensor) -> Tensor:
    """y = 1.0507 * elu(x, 1.6733): activations drift to mean 0 and variance 1   (Klambauer et al. 2017)."""
    x = as_tensor(x)
    y = kernels.selu(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.selu_backward(whole(dy), y),), op="selu")


def tanh(x: Tensor) -> Tensor:
    """y = tanh(x)."""
    x = as_tensor(x)
    y = kernels.tanh(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.tanh_backward(whole(dy), y),), op="tanh")


def sigmoid(x: Tensor) -> Tensor:
    """y = 1 / (1 + exp(-x)), the sigmoid (the logistic function)."""
    x = as_tensor(x)
    y = kernels.sigmoid(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.sigmoid_backward(whole(dy), y),), op="sigmoid")


def softplus(x: Tensor) -> Tensor:
    """y = log(1 + exp(x))   (Dugas et al. 2001)."""
    x = as_tensor(x)
    y = kernels.softplus(whole(x._data))
    return record(y, (x,), lambda dy: (kernels.softplus_backward(whole(dy), y),), op="softplus")


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

    The mask is not stored: backward makes it again from the same random counter.

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


def _check_positive(op: str, alpha: float) -> None:
    # With alpha <= 0 the sign of y would no longer tell the sign of x, which the derivative is told by.
    if not alpha > 0:
        raise ValueError(f"{op}: alpha must be positive, got {alpha}")
