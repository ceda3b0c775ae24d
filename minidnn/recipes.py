"""The chapter's practical guidelines as one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidnn import nn
from minidnn.nn.initializers import Initializer


def default_dnn(
    n_in: int,
    hidden: Sequence[int],
    n_out: int,
    *,
    activation: str = "elu",
    kernel_initializer: str | Initializer = "he_normal",
    batch_norm: bool = True,
    dropout: float = 0.0,
    **options: Any,
) -> nn.Sequential:
    """A deep network by the book: for each hidden layer ``Dense - BatchNorm - activation - Dropout``, then ``outputs``.

    The chapter's defaults, and why:

    - He initialization: keeps the variance of signals and gradients through the layers of ReLU and its kin.
    - ELU: no dying units, mean activations near 0; where speed at runtime counts more, ``activation="relu"``.
    - Batch normalization: steadier signals, higher learning rates, less care for initialization. Before the activation,
      where the bias of the dense layer is then of no use but does no harm. It costs time at runtime, unless folded in.
    - Dropout: none here to begin with; start at 0.2 to 0.5 if the network overfits.
    - Optimizer: ``optim.SGD(..., momentum=0.9, nesterov=True)`` or ``optim.Adam``, with a learning-rate schedule.
    - Regularization: early stopping first (`training.EarlyStopping`), then dropout, max-norm or l1 and l2.

    Args:
        n_in, hidden, n_out: sizes; layers are called hidden1, hidden2, ..., outputs.
        activation: of the hidden layers, the name of one of `minidnn.nn.layers.FUSED`.
        kernel_initializer: of the hidden layers; the outputs have Glorot's, as softmax layers should.
        batch_norm: whether.
        dropout: the rate after each hidden layer and on the inputs at half of it, in [0, 1).
        options: further ones of each hidden `nn.Dense`, such as ``kernel_constraint=nn.max_norm(3.0)``.

    Raises:
        ValueError: no hidden layer, or an argument that the layers refuse.
    """
    if not hidden:
        raise ValueError("default_dnn: hidden is empty, a deep network has hidden layers")
    layers: list[nn.Module] = [nn.Dropout(dropout / 2, name="dropout0")] if dropout else []
    sizes = [n_in, *hidden]
    for i, fan_in in enumerate(sizes[:-1], start=1):
        fused = None if batch_norm else activation
        layers.append(nn.Dense(fan_in, sizes[i], fused, kernel_initializer, name=f"hidden{i}", **options))
        if batch_norm:
            layers += [nn.BatchNorm(sizes[i], momentum=0.9, name=f"norm{i}"), ACTIVATIONS[activation](name=f"act{i}")]
        if dropout:
            layers.append(nn.Dropout(dropout, name=f"dropout{i}"))
    return nn.Sequential(*layers, nn.Dense(sizes[-1], n_out, name="outputs"))


ACTIVATIONS: dict[str, Any] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "logistic": nn.Logistic,
    "softplus": nn.Softplus,
}
