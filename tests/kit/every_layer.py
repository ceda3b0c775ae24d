"""One of each layer and of each function of a graph, with arguments that are not the defaults."""

import numpy as np

from minidnn import nn
from minidnn.activations import ACTIVATIONS
from minidnn.pretraining import RBM, Autoencoder, auxiliary, gaussian_noise, kl_sparsity, masking

# One of each function of a graph, with arguments that are not the defaults; z is (batch, 6).
F = nn.functions
EVERY_FUNCTION = [
    nn.Node("six", nn.Weight((6,), trainable=False, initializer="ones"), []),
    nn.Node("square", nn.Weight((6, 6), initializer="glorot_normal"), []),
    nn.Node("product", F.matmul(), ["z", "square"]),
    nn.Node("gemm", F.gemm(0.5, 2.0, transpose_b=True), ["product", "square", "six"]),
    nn.Node("norm", F.batch_norm(0.1), ["gemm", "six", "six", "six", "six"]),
    nn.Node("rows", F.layer_norm(1, 0.1), ["norm", "six", "six"]),
    nn.Node("slope", F.prelu(), ["rows", "six"]),
    nn.Node("cube", F.reshape((0, 2, 3)), ["slope"]),
    nn.Node("soft", F.softmax(1), ["cube"]),
    nn.Node("logs", F.log_softmax(1), ["cube"]),
    nn.Node("wide", F.concatenate(2), ["soft", "logs"]),
    nn.Node("flat", F.flatten(1), ["wide"]),
    nn.Node("clip", F.clip(-0.5), ["flat"]),
    nn.Node("dense", nn.Dense(12, 6, "tanh"), ["clip"]),
    nn.Node("times", F.multiply(), ["dense", "z"]),
    nn.Node("sum", F.add(), ["times", "z"]),
]

# One of each layer, with arguments that are not the defaults.
EVERY_LAYER = [
    nn.AlphaDropout(0.1),
    nn.BatchNorm(6, momentum=0.8, eps=0.01),
    nn.Dense(6, 6, "elu", kernel_regularizer=nn.l1_l2(0.1, 0.2), kernel_constraint=nn.max_norm(2.0, axis=1)),
    nn.Dense(6, 6, nn.PReLU(6), nn.initializers.variance_scaling(3.0, "in", "normal"), nn.initializers.constant(0.5)),
    nn.DropConnect(nn.Dense(6, 6, name="inner", activity_regularizer=nn.l1(0.1), bias_regularizer=nn.l2(0.1)), 0.5),
    nn.Dense(6, 6, kernel_initializer=nn.initializers.orthogonal(2.0), kernel_constraint=nn.non_neg()),
    nn.Dense(6, 6, kernel_constraint=nn.unit_norm(axis=1)),
    nn.Dropout(0.3, mode="scale_at_test", name="drop"),
    nn.ELU(0.5),
    nn.Flatten(),
    nn.Graph(EVERY_FUNCTION, ["z"], "sum", name="graph"),
    nn.LayerNorm(6, eps=0.1),
    nn.LeakyReLU(0.2),
    nn.LogSoftmax(),
    nn.PReLU(6, alpha=0.3),
    nn.RReLU(0.1, 0.2),
    nn.Residual(nn.Sequential(nn.Dense(6, 6), nn.Tanh())),
    Autoencoder(nn.Dense(6, 3), corruption=masking(0.2), activity_regularizer=kl_sparsity(0.1, 2.0)),
    Autoencoder(nn.Dense(6, 3), nn.Dense(3, 6), loss="cross_entropy", corruption=gaussian_noise(0.1), name="noisy"),
    RBM(6, 6, "gaussian", kernel_regularizer=nn.l2(0.1)),
    nn.SkipConcat(nn.Dense(6, 2)),
    nn.Softmax(),
    nn.Tanh(),
    nn.CELU(0.5),
    nn.GELU("tanh"),
    nn.ThresholdedReLU(0.5),
    *(getattr(nn, row.layer)() for row in ACTIVATIONS.values()),
    nn.Maxout(2),
    nn.GaussianNoise(0.3),
    nn.GroupNorm(2, 4, eps=0.1),
    nn.Normalization(4),
    nn.RMSNorm(4, eps=0.1),
    nn.Rescaling(2.0, 0.5),
    nn.Reshape([4]),
    nn.GLU(),
]

# Functions that ONNX has too; z is (batch, 6), or (batch, 6, 1) as "column".
MORE_FUNCTIONS = [
    (F.unsqueeze([-1]), "z"), (F.squeeze([2]), "column"), (F.transpose([1, 0]), "z"),
    (F.slices([4], [0], [1], [-2]), "z"), (F.pad([[0, 0], [1, 2]], 0.5), "z"),
    (F.gather(1, [3, 3]), "z"), (F.gather_elements(0, [[0] * 6]), "z"), (F.identity(), "z"),
    (F.subtract(), "z", "z"), (F.divide(), "z", "z"), (F.power(2.0), "z"),
    (F.maximum(), "z", "z"), (F.minimum(), "z", "z"), (F.negative(), "z"),
    (F.abs(), "z"), (F.exp(), "z"), (F.erf(), "z"), (F.log(), "size"),
    (F.sqrt(), "size"), (F.reciprocal(), "size"), (F.less(), "z", "size"),
    (F.less_equal(), "z", "size"), (F.greater(), "z", "size"), (F.equal(), "z", "size"),
    (F.greater_equal(), "z", "size"), (F.truth(), "z"), (F.logical_not(), "is"),
    (F.indicator(), "is"), (F.where(), "is", "z", "size"), (F.sum([1], False), "z"),
    (F.mean([1]), "z"), (F.max(None, False), "z"), (F.min([0, 1]), "z"),
]  # fmt: skip
BEFORE = [
    nn.Node("column", F.unsqueeze([2]), ["z"]), nn.Node("size", F.abs(), ["z"]),
    nn.Node("is", F.greater(), ["z", "size"]),
]  # fmt: skip
MORE = nn.Graph(
    [*BEFORE, *(nn.Node(f"y{i}", function, inputs) for i, (function, *inputs) in enumerate(MORE_FUNCTIONS))],
    ["z"],
    [f"y{i}" for i in range(len(MORE_FUNCTIONS))],
)

# Those that take no float matrix or give several, with what they take.
OTHERS = [
    (MORE, np.linspace(0.5, 2, 6, dtype=np.float32)[np.newaxis]),
    (nn.Embedding(9, 4, padding=3, kernel_initializer=nn.initializers.uniform(0.3)), np.array([[1, 8, 3]])),
    (nn.EmbeddingBag(9, 4, "sum", padding=0, kernel_initializer=nn.initializers.uniform(0.3)), np.array([[1, 8, 0]])),
    (
        auxiliary.TwoTower(nn.Dense(6, 3, name="tower"), auxiliary.Difference(3, name="head"), name="pairs"),
        np.ones((2, 2, 6), np.float32),
    ),
    (auxiliary.TwoTower(nn.Dense(6, 3), auxiliary.Distance(0.7)), np.eye(6, dtype=np.float32).reshape(3, 2, 6)),
]
