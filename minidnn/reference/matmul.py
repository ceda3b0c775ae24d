"""Matrix products and the dense layer."""

from __future__ import annotations

import numpy as np

from minidnn.activations import ACTIVATIONS, FUSED
from minidnn.reference import activations
from minidnn.reference.types import Floats


def matmul(a: Floats, b: Floats) -> Floats:
    """``c[i][j] = sum over k of a[i][k] * b[k][j]``."""
    return np.matmul(a, b)


def activate(z: Floats, activation: str, alpha: float) -> Floats:
    """The activation of that name."""
    if activation == "identity":
        return z
    function = getattr(activations, activation)
    return np.asarray(function(z, *ACTIVATIONS[activation].settings(alpha)))


def activate_backward(dy: Floats, y: Floats, activation: str, alpha: float) -> Floats:
    """The derivative of the activation of that name."""
    if activation == "identity":
        return dy
    if activation not in FUSED:
        raise ValueError(
            f"dense_backward: activation is {activation!r}, whose derivative reads the input, which a dense layer does "
            "not keep"
        )
    function = getattr(activations, f"{activation}_backward")
    return np.asarray(function(dy, y, *ACTIVATIONS[activation].settings(alpha)))


def dense(x: Floats, w: Floats, b: Floats, activation: str, alpha: float) -> Floats:
    """``y = activation(x @ w + b)`` with x (batch, n_in), w (n_in, n_out), b (n_out,)."""
    return activate(x @ w + b, activation, alpha)


def dense_backward(
    dy: Floats, x: Floats, w: Floats, y: Floats, activation: str, alpha: float, need_dx: bool, need_dw: bool
) -> tuple[Floats | None, Floats | None, Floats | None]:
    """``dz = dy * activation'(y)``; ``dx = dz @ w.T``, ``dw = x.T @ dz``, ``db = column sums of dz``, if needed."""
    dz = activate_backward(dy, y, activation, alpha)
    dx = dz @ w.T if need_dx else None
    return (dx, x.T @ dz, dz.sum(axis=0)) if need_dw else (dx, None, None)
