"""Every optimizer, layer, loss and op gives the same bytes in a captured and in a plain step."""

import numpy as np
import pytest
from kit.capturing import dense, run

import minidnn
from minidnn import nn, ops, optim, schedules
from minidnn.activations import ALPHA
from minidnn.optim import making

pytestmark = pytest.mark.compiled

OPTIMIZERS = {
    **{name: lambda p, make=make: make(p, lr=0.01) for name, make in making.MAKERS.items()},
    "ftrl with zeros": lambda p: optim.FTRL(p, 0.1, l1=0.01),
    "schedule": lambda p: optim.SGD(p, schedules.exponential(0.1, 0.5, 2), momentum=0.9),
    "groups": lambda p: optim.Adam([{"params": p[:2], "lr": 0.01}, {"params": p[2:], "beta1": 0.8}]),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name):
    assert run(dense, OPTIMIZERS[name]) == run(dense, OPTIMIZERS[name], captured=False)


def test_the_optimizers_are_all_of_them():
    params = [nn.Parameter(np.ones(3, np.float32)) for _ in range(4)]
    made = {type(make(params)).__name__ for make in OPTIMIZERS.values()}
    assert made == {name for name in optim.__all__ if name[0].isupper()} - {"Optimizer"}


LAYERS = {
    **{f"dense {activation}": lambda activation=activation: nn.Dense(8, 4, activation) for activation in ALPHA},
    **{
        name: lambda name=name: nn.Sequential(nn.Dense(8, 4), getattr(nn, name)())
        for name in ("ReLU", "LeakyReLU", "ELU", "SELU", "Tanh", "Sigmoid", "Softplus", "RReLU")
    },
    "prelu": lambda: nn.Sequential(nn.Dense(8, 4), nn.PReLU(4)),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.3), nn.Dense(8, 5, "relu"), nn.Dropout(0.5), nn.Dense(5, 4)),
    "dropconnect": lambda: nn.DropConnect(nn.Dense(8, 4), 0.3),
    "batch norm": lambda: nn.Sequential(nn.Dense(8, 5), nn.BatchNorm(5, momentum=0.9), nn.ELU(), nn.Dense(5, 4)),
    "layer norm": lambda: nn.Sequential(nn.Dense(8, 5), nn.LayerNorm(5), nn.Dense(5, 4)),
    "residual": lambda: nn.Sequential(nn.Residual(nn.Dense(8, 8, "elu")), nn.Dense(8, 4)),
    "penalties": lambda: nn.Sequential(
        nn.Dense(8, 5, kernel_regularizer=nn.l1(0.01), bias_regularizer=nn.l2(0.1)),
        nn.Dense(5, 4, kernel_regularizer=nn.l1_l2(0.01, 0.02), activity_regularizer=nn.l2(0.01)),
    ),
    "max-norm": lambda: nn.Dense(8, 4, kernel_constraint=nn.max_norm(0.5)),
    "max-norm of rows": lambda: nn.Dense(8, 4, kernel_constraint=nn.max_norm(0.5, axis=1)),
    "unit norm": lambda: nn.Dense(8, 4, kernel_constraint=nn.unit_norm()),
    "non-negative": lambda: nn.Dense(8, 4, kernel_constraint=nn.non_neg()),
    "masked": lambda: nn.Dense(8, 4, kernel_constraint=nn.masked(np.arange(32).reshape(8, 4) % 3, nn.unit_norm())),
    "skip": lambda: nn.Sequential(nn.SkipConcat(nn.Dense(8, 3)), nn.Dense(11, 4)),
    "alpha dropout": lambda: nn.Sequential(nn.Dense(8, 8, "selu"), nn.AlphaDropout(0.2), nn.Dense(8, 4)),
    "scaled at test": lambda: nn.Sequential(nn.Dropout(0.2, mode="scale_at_test"), nn.Dense(8, 4)),
    "a frozen layer": lambda: nn.Sequential(frozen(nn.Dense(8, 5, "tanh")), nn.Dense(5, 4)),
}


def frozen(layer):
    for param in layer.parameters():
        param.requires_grad = False
    return layer


def trained(params):
    return optim.SGD([param for param in params if param.requires_grad], 0.1)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name):
    assert run(LAYERS[name], trained) == run(LAYERS[name], trained, captured=False)


LOSSES = {
    "labels": lambda out, x, y: nn.softmax_cross_entropy(out, y),
    "label smoothing": lambda out, x, y: nn.softmax_cross_entropy(out, y, label_smoothing=0.1),
    "soft targets": lambda out, x, y: nn.softmax_cross_entropy(out, as_probabilities(x)),
    "smooth soft targets": lambda out, x, y: nn.softmax_cross_entropy(out, as_probabilities(x), 0.1),
    "sigmoid": lambda out, x, y: nn.sigmoid_cross_entropy(out, as_probabilities(x)),
    "squared": lambda out, x, y: nn.mean_squared_error(out, x[:, :4]),
    "absolute": lambda out, x, y: nn.mean_absolute_error(out, x[:, :4]),
    "huber": lambda out, x, y: nn.huber(out, x[:, :4], delta=0.7),
    "hinge": lambda out, x, y: nn.hinge(out[:, 0], as_pairs(y)),
    "multiclass hinge": lambda out, x, y: nn.multiclass_hinge(out, y),
    "ranking": lambda out, x, y: nn.margin_ranking(out[:, 0], out[:, 1], margin=0.5),
    "ranking by its other name": lambda out, x, y: nn.margin_ranking_loss(out[:, 0], out[:, 1], margin=0.5),
    "contrastive": lambda out, x, y: nn.contrastive(out[:, :2], out[:, 2:], as_pairs(y)),
    "kullback-leibler": lambda out, x, y: nn.kl_divergence(ops.log_softmax(out), as_probabilities(x)),
}


def as_probabilities(x):
    return ops.softmax(minidnn.Tensor(x))[:, :4]


def as_pairs(y):
    return ops.clip(minidnn.Tensor(y), 0, 1)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name):
    assert run(dense, loss=LOSSES[name]) == run(dense, loss=LOSSES[name], captured=False)


def test_the_losses_are_all_of_them():
    from minidnn.nn import losses

    used = {name for loss in LOSSES.values() for name in loss.__code__.co_names}
    assert {name for name, value in vars(losses).items() if getattr(value, "__module__", "") == losses.__name__} - {
        name for name in vars(losses) if name.startswith("_")
    } <= used


OPS = {
    "add": lambda x: x + x[0],
    "subtract": lambda x: 2.0 - x - x[:, :1],
    "multiply": lambda x: x * x[1] * 3.0,
    "divide": lambda x: x / (abs(x) + 1.0),
    "power": lambda x: (abs(x) + 1.0) ** 1.5,
    "negative": lambda x: -x,
    "erf": lambda x: ops.erf(x),
    "exp": lambda x: x.exp(),
    "log": lambda x: (abs(x) + 1.0).log(),
    "sqrt": lambda x: (abs(x) + 1.0).sqrt(),
    "abs": lambda x: abs(x),
    "clip_by_norm": lambda x: ops.clip_by_norm(x, 0.5, axes=1),
    "clip": lambda x: x.clip(-0.5, 0.5),
    "where": lambda x: ops.where(x > 0, x, 0.1 * x),
    "compare": lambda x: ops.where(ops.compare("less", x, 0.1), x, 0.1 * x),
    "maximum": lambda x: ops.maximum(x, x[0]),
    "minimum": lambda x: ops.minimum(x, 0.3),
    "reshape": lambda x: (x.reshape(3, -1) * x.reshape(3, -1)[0]).reshape(6, 4),
    "transpose": lambda x: x.T.reshape(6, 4) + x,
    "getitem": lambda x: x[::2] * x[TWICE],
    "gather": lambda x: ops.gather(x, PLACES, axis=1),
    "concatenate": lambda x: ops.concatenate([x, x * x], axis=1),
    "stack": lambda x: ops.stack([x, x * x]),
    "pad": lambda x: ops.pad(x, 1) * 2.0,
    "matmul": lambda x: x @ x.T,
    "dense_transposed": lambda x: ops.dense_transposed(x, x * x, x.sum(axis=1), "elu", 1.0),
    "matmul of vectors": lambda x: x @ x[0],
    "sum": lambda x: x.sum(axis=0) * x,
    "mean": lambda x: x.mean(axis=1, keepdims=True) * x,
    "var": lambda x: x.var(axis=0) * x,
    "max": lambda x: x.max(axis=1, keepdims=True) * x,
    "min": lambda x: x.min(axis=0) * x,
    "softmax": lambda x: ops.softmax(x) * ops.log_softmax(x),
    "activations": lambda x: ops.softplus(ops.tanh(ops.sigmoid(ops.elu(x)))),
    "gelu": lambda x: ops.gelu(x) + ops.gelu_tanh(x) + ops.silu(x) + ops.mish(x),
    "hard": lambda x: ops.relu6(x) + ops.hardtanh(x) + ops.hardsigmoid(x) + ops.hardswish(x),
    "soft": lambda x: ops.celu(x) + ops.softsign(x) + ops.logsigmoid(x) + ops.thresholded_relu(x),
    "glu": lambda x: ops.glu(x[..., : x.shape[-1] // 2 * 2]),
    "maxout": lambda x: ops.maxout(x, x.shape[-1]) * x,
}
PLACES = np.array([[0, 1], [3, 3], [2, 0], [1, 1], [0, 0], [2, 3]])


TWICE = np.array([0, 0, 1])


@pytest.mark.parametrize("name", OPS)
def test_every_op(name):
    def loss(output, x, y):
        value = OPS[name](output)
        return ops.mean(value * value)

    careful = OPTIMIZERS["adam"]
    assert run(dense, careful, loss) == run(dense, careful, loss, captured=False)


def test_the_ops_are_all_of_them():
    named = set(OPS).union(*(OPS[name].__code__.co_names for name in OPS))
    kernels_of_layers = {"dense", "dropout", "prelu", "rrelu", "relu", "leaky_relu", "selu", "l1_l2_penalty"}
    kernels_of_layers |= {"batch_norm", "batch_norm_eval", "layer_norm", "softmax_cross_entropy"}
    kernels_of_layers |= {"embedding", "embedding_bag"}  # test_embedding_rows.py, test_embedding.py
    assert set(ops.__all__) <= named | kernels_of_layers
