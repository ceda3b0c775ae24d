"""Models to compile, named after what folding does to them."""

import numpy as np

import minidnn
from minidnn import nn, ops
from minidnn.activations import ALPHA

X = minidnn.Generator(3).normal((37, 20))


def trained(model, steps=3):
    """The model after some passes in training mode, so that running statistics and biases are not trivial."""
    rng = np.random.default_rng(0)
    for _ in range(steps):
        model(rng.standard_normal((50, 20)).astype(np.float32) + 0.3)
    for parameter in model.parameters():
        parameter.data[...] += rng.standard_normal(parameter.shape).astype(np.float32) * 0.05
    return model.eval()


def plain(activation="relu"):
    return nn.Sequential(
        nn.Dense(20, 33, activation, name="h1"), nn.Dropout(0.5), nn.Dense(33, 7, activation), nn.Dense(7, 4)
    )


UNFOLDED = {
    **{name: lambda name=name: plain(name) for name in ALPHA},
    "layers": lambda: nn.Sequential(
        nn.Dense(20, 9), nn.ELU(0.5), nn.Dense(9, 8), nn.LeakyReLU(0.2), nn.Dense(8, 6), nn.PReLU(6), nn.RReLU()
    ),
    "functions": lambda: nn.Sequential(
        nn.Dense(20, 9, ops.elu), nn.Dense(9, 5, nn.Tanh()), nn.Dense(5, 3, ops.softmax)
    ),
    "residual": lambda: nn.Sequential(nn.Residual(nn.Dense(20, 20, "relu")), nn.Dense(20, 3), nn.Softmax()),
    "nested skips": lambda: nn.Sequential(
        nn.SkipConcat(nn.Sequential(nn.Dense(20, 5), nn.Residual(nn.Residual(nn.Dense(5, 5))))), nn.Dense(25, 3)
    ),
    "layer norm": lambda: nn.Sequential(nn.Dense(20, 9), nn.LayerNorm(9), nn.SELU(), nn.AlphaDropout(0.1)),
    "drop connect": lambda: nn.Sequential(nn.DropConnect(nn.Dense(20, 9, "softplus"), 0.5), nn.Dense(9, 2)),
    "activation alone": lambda: nn.Sequential(nn.ReLU(), nn.Dense(20, 3)),
}
FOLDED = {
    "batch norm after": lambda: nn.Sequential(
        nn.Dense(20, 30), nn.BatchNorm(30, 0.5), nn.ELU(), nn.Dropout(0.5), nn.Dense(30, 4)
    ),
    "batch norm before": lambda: nn.Sequential(
        nn.BatchNorm(20, 0.5), nn.Dense(20, 30, "relu"), nn.BatchNorm(30, 0.5), nn.Dense(30, 4)
    ),
    "batch norm alone": lambda: nn.Sequential(nn.Dense(20, 9, "tanh"), nn.BatchNorm(9, 0.5), nn.ReLU()),
    "batch norm around a skip": lambda: nn.Sequential(
        nn.Dense(20, 9), nn.Residual(nn.Sequential(nn.BatchNorm(9, 0.5), nn.Dense(9, 9))), nn.Dense(9, 3)
    ),
    "scale at test": lambda: nn.Sequential(nn.Dropout(0.3, "scale_at_test"), nn.Dense(20, 9, "relu"), nn.Dense(9, 4)),
}
