"""A row for each op: arguments to call it on, and the same with NumPy."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minidnn import ops

rng = np.random.default_rng(11)


def away(*shape, gap=0.2):
    """Numbers that keep away from 0, where many ops have a kink, and from each other."""
    values = rng.permutation(np.linspace(gap, 2, int(np.prod(shape)))) * rng.choice([-1, 1], int(np.prod(shape)))
    return values.reshape(shape)


def positive(*shape):
    return np.abs(away(*shape))


@dataclass(frozen=True)
class Op:
    """A row: an op, what to call it on, and the same with NumPy."""

    name: str
    inputs: Sequence[np.ndarray]
    formula: Callable
    options: tuple = ()

    def __str__(self):
        return f"{self.name}{[a.shape for a in self.inputs]}{self.options}"

    def __call__(self, *tensors):
        f = getattr(ops, self.name)
        options = [o.astype(tensors[0].dtype) if getattr(o, "dtype", None) == np.float64 else o for o in self.options]
        if self.name in ("concatenate", "stack"):
            return f(tensors, *options)
        return f(*tensors, *options)


def binary(name, formula, make=away):
    shapes = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 1, 3), (4, 1))]
    return [Op(name, [make(*a), make(*b)], formula) for a, b in shapes]


def reduction(name, formula):
    axes = [(None, False), (0, False), (1, True), ((0, 2), False), (-1, True), (None, True)]
    return [
        Op(name, [away(3, 4, 2)], lambda x, a=axis, k=keep: formula(x, axis=a, keepdims=k), (axis, keep))
        for axis, keep in axes
    ]


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def normalized(x, axis):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + 0.1)


def given_statistics(x, gamma, beta):
    return gamma * (x - MEAN) / np.sqrt(VAR + 0.1) + beta


MEAN, VAR = np.array([0.5, -1.0, 0.25, 2.0]), np.array([0.5, 2.0, 1.0, 0.125])
LABELS = np.array([2, 0, 3])
CONDITION = rng.integers(0, 2, (3, 4)).astype(bool)
PLACES = rng.integers(0, 4, (3, 6))
SELU = 1.0507009873554805, 1.6732632423543772

WORDS, STARTS = np.array([[1, 0, 1], [3, 0, 0]]), np.array([0, 2, 2])


def bag_of_words(w):
    """The mean of the rows, 0 being no word."""
    return np.stack([(w[1] + w[1]) / 2, w[3]])


def normal_cdf(x):
    return np.vectorize(statistics.NormalDist().cdf)(x)


OPS = [
    *binary("add", np.add),
    *binary("subtract", np.subtract),
    *binary("multiply", np.multiply),
    *binary("divide", np.divide),
    *binary("power", np.power, positive),
    *binary("maximum", np.maximum),
    *binary("minimum", np.minimum),
    Op("negative", [away(3, 4)], np.negative),
    Op("erf", [away(3, 4)], np.vectorize(math.erf)),
    Op("exp", [away(3, 4)], np.exp),
    Op("log", [positive(3, 4)], np.log),
    Op("sqrt", [positive(3, 4)], np.sqrt),
    Op("abs", [away(3, 4)], np.abs),
    Op("clip", [away(3, 4)], lambda x: np.clip(x, -1.003, 0.703), (-1.003, 0.703)),
    Op("clip", [away(3, 4)], lambda x: np.clip(x, None, 0.703), (None, 0.703)),
    Op("clip_by_norm", [away(3, 4)], lambda x: x * 2.0 / np.maximum(np.linalg.norm(x, axis=1)[:, None], 2.0), (2.0, 1)),
    Op("where", [away(3, 4), away(4)], lambda a, b: np.where(CONDITION, a, b)),
    *reduction("sum", np.sum),
    *reduction("mean", np.mean),
    *reduction("var", np.var),
    *reduction("max", np.max),
    *reduction("min", np.min),
    Op("reshape", [away(3, 4)], lambda x: x.reshape(2, 6), ((2, 6),)),
    Op("reshape", [away(3, 4)], lambda x: x.reshape(-1), (-1,)),
    Op("transpose", [away(3, 4)], np.transpose),
    Op("transpose", [away(2, 3, 4)], lambda x: x.transpose(2, 0, 1), ((2, 0, 1),)),
    Op("getitem", [away(3, 4)], lambda x: x[1:, ::-2], ((slice(1, None), slice(None, None, -2)),)),
    Op("getitem", [away(3, 4)], lambda x: x[1], (1,)),
    Op("getitem", [away(3, 4)], lambda x: x[..., np.newaxis, 2], ((..., np.newaxis, 2),)),
    Op("getitem", [away(3, 4)], lambda x: x[[0, 0, 2]], ([0, 0, 2],)),
    Op("getitem", [away(3, 4)], lambda x: x[CONDITION], (CONDITION,)),
    Op("gather", [away(3, 4)], lambda x: np.take_along_axis(x, PLACES, 1), (PLACES, 1)),
    Op("concatenate", [away(3, 2), away(3, 4)], lambda a, b: np.concatenate([a, b], 1), (1,)),
    Op("stack", [away(3, 2), away(3, 2)], lambda a, b: np.stack([a, b], 1), (1,)),
    Op("pad", [away(3, 2)], lambda x: np.pad(x, ((1, 0), (2, 3)), constant_values=7), (((1, 0), (2, 3)), 7.0)),
    Op("matmul", [away(3, 4), away(4, 5)], np.matmul),
    Op("matmul", [away(4), away(4, 5)], np.matmul),
    Op("matmul", [away(3, 4), away(4)], np.matmul),
    Op("matmul", [away(4), away(4)], np.matmul),
    Op("matmul", [away(2, 3, 4), away(4, 5)], np.matmul),
    Op("matmul", [away(2, 1, 3, 4), away(3, 4, 5)], np.matmul),
    Op("dense", [away(3, 4), away(4, 5), away(5)], lambda x, w, b: x @ w + b),
    Op("dense", [away(3, 4), away(4, 5), away(5)], lambda x, w, b: np.tanh(x @ w + b), ("tanh",)),
    Op("dense_transposed", [away(3, 5), away(4, 5), away(4)], lambda x, w, b: x @ w.T + b),
    Op("dense_transposed", [away(3, 5), away(4, 5), away(4)], lambda x, w, b: np.tanh(x @ w.T + b), ("tanh",)),
    Op(
        "dense_transposed",
        [away(3, 5), away(4, 5), away(4)],
        lambda x, w, b: np.where(x @ w.T + b > 0, x @ w.T + b, 0.7 * np.expm1(x @ w.T + b)),
        ("elu", 0.7),
    ),
    Op("relu", [away(3, 4)], lambda x: np.maximum(x, 0)),
    Op("leaky_relu", [away(3, 4)], lambda x: np.where(x > 0, x, 0.2 * x), (0.2,)),
    Op("prelu", [away(3, 4), positive(4)], lambda x, a: np.where(x > 0, x, a * x)),
    Op("rrelu", [away(3, 4)], lambda x: np.where(x > 0, x, 0.2 * x), (0.1, 0.3, False)),
    Op("elu", [away(3, 4)], lambda x: np.where(x > 0, x, 0.7 * (np.exp(x) - 1)), (0.7,)),
    Op("selu", [away(3, 4)], lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * (np.exp(x) - 1))),
    Op("tanh", [away(3, 4)], np.tanh),
    Op("sigmoid", [away(3, 4)], lambda x: 1 / (1 + np.exp(-x))),
    Op("softplus", [away(3, 4)], lambda x: np.log(1 + np.exp(x))),
    Op("relu6", [away(3, 4)], lambda x: np.minimum(np.maximum(x, 0), 6)),
    Op("hardtanh", [away(3, 4)], lambda x: np.clip(x, -1, 1)),
    Op("hardsigmoid", [away(3, 4)], lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    Op("hardswish", [away(3, 4)], lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    Op("celu", [away(3, 4)], lambda x: np.maximum(x, 0) + np.minimum(0, 0.7 * np.expm1(x / 0.7)), (0.7,)),
    Op("softsign", [away(3, 4)], lambda x: x / (1 + np.abs(x))),
    Op("thresholded_relu", [away(3, 4)], lambda x: x * (x > 0.503), (0.503,)),
    Op("logsigmoid", [away(3, 4)], lambda x: -np.log1p(np.exp(-x))),
    Op("mish", [away(3, 4)], lambda x: x * np.tanh(np.log(1 + np.exp(x)))),
    Op("silu", [away(3, 4)], lambda x: x / (1 + np.exp(-x))),
    Op("gelu", [away(3, 4)], lambda x: x * normal_cdf(x)),
    Op("gelu_tanh", [away(3, 4)], lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    Op("glu", [away(3, 4)], lambda x: x[:, :2] / (1 + np.exp(-x[:, 2:]))),
    Op("maxout", [away(3, 4)], lambda x: x.reshape(3, 2, 2).max(axis=2), (2,)),
    Op("dense", [away(3, 4), away(4, 5), away(5)], lambda x, w, b: (x @ w + b) * normal_cdf(x @ w + b), ("gelu",)),
    Op("softmax", [away(3, 4)], softmax),
    Op("softmax", [away(2, 3, 4)], softmax),
    Op("log_softmax", [away(3, 4)], lambda x: np.log(softmax(x))),
    Op("dropout", [away(3, 4)], lambda x: x, (0.5, False)),
    Op("l1_l2_penalty", [away(3, 4)], lambda w: 0.3 * np.abs(w).sum() + 0.2 * (w * w).sum(), (0.3, 0.2)),
    Op("batch_norm", [away(5, 4), away(4), away(4)], lambda x, g, b: g * normalized(x, 0) + b, (0.1,)),
    Op("batch_norm_eval", [away(5, 4), away(4), away(4)], given_statistics, (MEAN, VAR, 0.1)),
    Op("layer_norm", [away(3, 5), away(5), away(5)], lambda x, g, b: g * normalized(x, 1) + b, (0.1,)),
    Op("embedding", [away(5, 3)], lambda w: w[WORDS], (WORDS,)),
    Op("embedding_bag", [away(5, 3)], lambda w: np.stack([2 * w[1] + w[0], w[3] + 2 * w[0]]), (WORDS, None, "sum")),
    Op("embedding_bag", [away(5, 3)], bag_of_words, (WORDS, None, "mean", 0)),
    Op(
        "embedding_bag",
        [away(5, 3)],
        lambda w: np.stack([(w[4] + w[2]) / 2, 0 * w[0], (w[2] + w[2] + w[1]) / 3]),
        (np.array([4, 2, 2, 2, 1]), STARTS, "mean"),
    ),
    Op("softmax_cross_entropy", [away(3, 4)], lambda x: -np.log(softmax(x)[range(3), LABELS]), (LABELS,)),
]
