"""Batch normalization and layer normalization."""

from __future__ import annotations

from minidnn import kernels
from minidnn.ops.activations import whole
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> tuple[Tensor, Array, Array]:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta over the batch   (Ioffe & Szegedy 2015).

    Args:
        x: (batch, n), batch > 0.
        gamma, beta: (n,).

    Returns:
        y, and the mean and the variance (divided by the batch size) of the batch, arrays of shape (n,).
    """
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    value, scale, shift = whole(x._data), whole(gamma._data), whole(beta._data)
    y, mean, var = kernels.batch_norm(value, scale, shift, eps)
    return (
        record(
            y,
            (x, gamma, beta),
            lambda dy: kernels.batch_norm_backward(whole(dy), value, scale, mean, var, eps),
            reads=(x, gamma),
            op="batch_norm",
            eps=eps,
        ),
        mean,
        var,
    )


def batch_norm_eval(x: Tensor, gamma: Tensor, beta: Tensor, mean: Array, var: Array, eps: float) -> Tensor:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta with given statistics, which get no gradient."""
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    value, scale, shift = whole(x._data), whole(gamma._data), whole(beta._data)
    statistics = {"mean": mean, "var": var}
    # Running statistics may be updated before backward.
    mean, var = kernels.copy(mean), kernels.copy(var)
    y = kernels.batch_norm_eval(value, scale, shift, mean, var, eps)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        if gamma.requires_grad or beta.requires_grad:
            return kernels.batch_norm_eval_backward(whole(dy), value, scale, mean, var, eps)
        zero = kernels.full_like(scale, 0.0)
        return kernels.batch_norm_eval(whole(dy), scale, zero, zero, var, eps), None, None

    return record(y, (x, gamma, beta), backward, reads=(x, gamma), op="batch_norm_eval", eps=eps, **statistics)


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta along each row of x, (batch, n)   (Ba et al. 2016)."""
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    value, scale, shift = whole(x._data), whole(gamma._data), whole(beta._data)
    y, mean, var = kernels.layer_norm(value, scale, shift, eps)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        need_dgamma = gamma.requires_grad or beta.requires_grad
        return kernels.layer_norm_backward(whole(dy), value, scale, mean, var, eps, need_dgamma)

    return record(y, (x, gamma, beta), backward, reads=(x, gamma), op="layer_norm", eps=eps)
