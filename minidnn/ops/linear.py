"""Matrix products and the dense layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn import kernels
from minidnn.activations import ACTIVATIONS, ALPHA, FUSED
from minidnn.ops.activations import elementwise, whole
from minidnn.ops.arithmetic import unbroadcast
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_tensor, record


def matmul(a: Any, b: Any) -> Tensor:
    """c = a @ b, with NumPy's rules for vectors and for stacks of matrices.

    Raises:
        ValueError: the inner axes differ, or an operand has no axes.
    """
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 2 and b.ndim == 2:
        return _matrix_product(a, b)
    x, z = a._data, b._data
    c = kernels.stacked_matmul(x, z)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        # A vector is a matrix of one row (a) or one column (b).
        rows, columns = (x[np.newaxis] if x.ndim == 1 else x), (z[:, np.newaxis] if z.ndim == 1 else z)
        if z.ndim == 1:
            dy = dy[..., np.newaxis]
        if x.ndim == 1:
            dy = dy[..., np.newaxis, :]
        da = kernels.stacked_matmul(dy, np.swapaxes(columns, -1, -2))
        db = kernels.stacked_matmul(np.swapaxes(rows, -1, -2), dy)
        return (
            unbroadcast(da[..., 0, :] if x.ndim == 1 else da, a),
            unbroadcast(db[..., 0] if z.ndim == 1 else db, b),
        )

    return record(c, (a, b), backward, reads=(a, b), op="matmul")


def _matrix_product(a: Tensor, b: Tensor) -> Tensor:
    x, z = a._data, b._data

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return (
            kernels.matmul(dy, z.T) if a.requires_grad else None,
            kernels.matmul(x.T, dy) if b.requires_grad else None,
        )

    return record(kernels.matmul(x, z), (a, b), backward, reads=(a, b), op="matmul")


def dense(x: Tensor, w: Tensor, b: Tensor, activation: str = "identity", alpha: float = 0.0) -> Tensor:
    """y = activation(x @ w + b), fused.

    Args:
        x: (batch, n_in).
        w: (n_in, n_out).
        b: (n_out,).
        activation: "identity" or a name of `minidnn.activations`. One whose derivative reads x runs as a separate op.
        alpha: the setting of an activation that has one.

    Raises:
        ValueError: shapes that do not fit, an unknown activation.
    """
    if _reads_input(activation):
        return elementwise(activation, dense(x, w, b), alpha)
    x, w, b = as_tensor(x), as_tensor(w), as_tensor(b)
    y = kernels.dense(x._data, w._data, whole(b._data), activation, alpha)
    x_data, w_data = x._data, w._data

    def backward(dy: Array) -> tuple[Array | None, ...]:
        needs = x.requires_grad, w.requires_grad or b.requires_grad
        return kernels.dense_backward(whole(dy), x_data, w_data, y, activation, alpha, *needs)

    return record(y, (x, w, b), backward, reads=(x, w), op="dense", activation=activation, alpha=alpha)


def dense_transposed(x: Tensor, w: Tensor, b: Tensor, activation: str = "identity", alpha: float = 0.0) -> Tensor:
    """y = activation(x @ w.T + b), fused: the decoder of an autoencoder with tied weights w.

    Args:
        x: (batch, n_out).
        w: (n_in, n_out).
        b: (n_in,).
        activation, alpha: as for `dense`.

    Raises:
        ValueError: shapes that do not fit, an unknown activation.
    """
    if _reads_input(activation):
        return elementwise(activation, dense_transposed(x, w, b), alpha)
    x, w, b = as_tensor(x), as_tensor(w), as_tensor(b)
    x_data, w_data = x._data, w._data
    y = kernels.dense(x_data, w_data.T, whole(b._data), activation, alpha)

    def backward(dy: Array) -> tuple[Array | None, ...]:
        dz = _activation_gradient(whole(dy), y, activation, alpha)
        return (
            kernels.matmul(dz, w_data) if x.requires_grad else None,
            kernels.matmul(dz.T, x_data) if w.requires_grad else None,
            kernels.column_sum(dz) if b.requires_grad else None,
        )

    return record(y, (x, w, b), backward, reads=(x, w), op="dense_transposed", activation=activation, alpha=alpha)


def _activation_gradient(dy: Array, y: Array, activation: str, alpha: float) -> Array:
    if activation == "identity":
        return dy
    gradient = kernels.activation(activation)[1]
    return np.asarray(gradient(dy, y, *ACTIVATIONS[activation].settings(alpha)))


def _reads_input(activation: str) -> bool:
    return activation in ALPHA and activation not in FUSED
