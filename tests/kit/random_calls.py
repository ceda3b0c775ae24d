"""How a call of each public op is drawn for a random program, with inputs that keep away from its kinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minidnn
from kit.random_programs import Draw, Rule, Unfit, away, goes_with
from minidnn import Tensor, ops
from minidnn.activations import ALPHA


def apart(x: np.ndarray, axis: Any) -> bool:
    """Whether the largest and smallest elements over the axes are far from, or equal to, all others."""
    extremes = [x.max(axis=axis, keepdims=True), x.min(axis=axis, keepdims=True)]
    return all(away(x - extreme, 0.0) for extreme in extremes)


def kinks_of(activation: str, alpha: float) -> tuple[float, ...]:
    smooth = ("tanh", "sigmoid", "softplus", "softsign", "logsigmoid", "mish", "silu", "gelu", "gelu_tanh", "identity")
    bent = {"relu6": (0.0, 6.0), "hardtanh": (-1.0, 1.0), "hardsigmoid": (-3.0, 3.0), "hardswish": (-3.0, 3.0)}
    return () if activation in smooth else bent.get(activation, (alpha if activation == "thresholded_relu" else 0.0,))


def activation_of(draw: Draw) -> tuple[str, float]:
    name = draw.one_of(*ALPHA)
    return name, ALPHA[name] and draw.one_of(ALPHA[name], 0.4)


RULES: dict[str, Rule] = {}
"""How a call of each public op is drawn."""


def rule(function: Rule) -> Rule:
    RULES[function.__name__.rstrip("_")] = function
    return function


def _elementwise(name: str) -> Rule:
    def draw_one(draw: Draw) -> None:
        alpha = ALPHA[name] and draw.one_of(ALPHA[name], 0.4)
        place = draw.pick(lambda x: away(x, *kinks_of(name, alpha)))
        draw.call(name, place, **({"alpha": alpha} if alpha else {}))

    return draw_one


def _binary(name: str, fits: Callable[[np.ndarray, np.ndarray], bool] = lambda a, b: True) -> Rule:
    def draw_one(draw: Draw) -> None:
        a = draw.pick()
        if draw.chance(0.15):
            number = draw.one_of(2, 0.5, -1.25, np.float64(1.5))
            first = draw.chance(0.5)
            x = draw.values[a]
            if not fits(*((np.float64(number), x) if first else (x, np.float64(number)))):
                raise Unfit
            op = getattr(ops, name)
            call = (lambda t: op(number, t)) if first else (lambda t: op(t, number))
            return draw.step(name, (a,), call, number=number, first=first)
        b = draw.partner(draw.values[a].shape)
        a, b = (a, b) if draw.chance(0.5) else (b, a)
        if not fits(draw.values[a], draw.values[b]):
            raise Unfit
        return draw.call(name, a, b)

    return draw_one


def _reduction(name: str, kinked: bool = False) -> Rule:
    def draw_one(draw: Draw) -> None:
        place = draw.pick()
        x = draw.values[place]
        axis = draw.axes(x.ndim)
        over = range(x.ndim) if axis is None else np.atleast_1d(axis)
        if name != "sum" and not all(x.shape[a] for a in over):
            raise Unfit  # nothing to take the mean of
        if kinked and not apart(x, axis):
            raise Unfit
        draw.call(name, place, axis=axis, keepdims=draw.chance(0.4))

    return draw_one


def _unary(name: str, fits: Callable[[np.ndarray], bool] = lambda x: True) -> Rule:
    return lambda draw: draw.call(name, draw.pick(fits))


def unequal(a: np.ndarray, b: np.ndarray) -> bool:
    return away(a - b, 0.0)


RULES |= {name: _elementwise(name) for name in ALPHA if name not in ("identity",)}
RULES |= {name: _binary(name) for name in ("add", "subtract", "multiply")}
RULES |= {name: _binary(name, unequal) for name in ("maximum", "minimum")}
RULES["divide"] = _binary("divide", lambda a, b: bool((np.abs(b) > 0.2).all()))
RULES |= {name: _reduction(name) for name in ("sum", "mean", "var")}
RULES |= {name: _reduction(name, kinked=True) for name in ("max", "min")}
RULES |= {
    "negative": _unary("negative"),
    "exp": _unary("exp"),
    "erf": _unary("erf"),
    "log": _unary("log", lambda x: bool((x > 0.1).all())),
    "sqrt": _unary("sqrt", lambda x: bool((x > 0.1).all())),
    "abs": _unary("abs", lambda x: away(x, 0.0)),
    "softmax": _unary("softmax", lambda x: x.ndim > 0 and x.shape[-1] > 0),
    "log_softmax": _unary("log_softmax", lambda x: x.ndim > 0 and x.shape[-1] > 0),
    "glu": _unary("glu", lambda x: x.ndim > 0 and x.shape[-1] % 2 == 0),
}


@rule
def power(draw: Draw) -> None:
    if draw.chance(0.5):
        place, exponent = draw.pick(), draw.one_of(2, 3, 1, 0)
        return draw.step("power", (place,), lambda x: ops.power(x, exponent), exponent=exponent)
    base = draw.pick(lambda x: bool((x > 0.1).all()))
    if draw.chance(0.3):
        exponent = draw.one_of(0.5, -1, 1.5)
        return draw.step("power", (base,), lambda x: ops.power(x, exponent), exponent=exponent)
    return draw.call("power", base, draw.partner(draw.values[base].shape))


@rule
def clip(draw: Draw) -> None:
    low, high = draw.one_of((-0.6, 0.7), (None, 0.5), (-0.4, None), (0.0, 6.0))
    bounds = [bound for bound in (low, high) if bound is not None]
    draw.call("clip", draw.pick(lambda x: away(x, *bounds)), low=low, high=high)


@rule
def clip_by_norm(draw: Draw) -> None:
    place, limit = draw.pick(), draw.one_of(0.5, 2.0)
    x = draw.values[place]
    axes = draw.axes(x.ndim)
    if not away(np.sqrt((x * x).sum(axis=axes)), limit):
        raise Unfit
    draw.call("clip_by_norm", place, limit=limit, axes=axes)


@rule
def compare(draw: Draw) -> None:
    a = draw.pick()
    b = draw.partner(draw.values[a].shape)
    if not unequal(draw.values[a], draw.values[b]):
        raise Unfit
    name = draw.one_of("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
    draw.step("compare", (a, b), lambda x, z: ops.compare(name, x, z), name=name)


@rule
def where(draw: Draw) -> None:
    a = draw.pick()
    b = draw.partner(draw.values[a].shape)
    shape = np.broadcast_shapes(draw.values[a].shape, draw.values[b].shape)
    conditions = [i for i, x in enumerate(draw.values) if x.dtype.kind == "b" and goes_with(x.shape, shape)]
    if conditions and draw.chance(0.7):
        return draw.step("where", (draw.one_of(*conditions), a, b), ops.where, condition="compared")
    holds = draw.rng.random(shape[draw.rng.integers(len(shape) + 1) :]) < 0.5
    return draw.step("where", (a, b), lambda x, z: ops.where(holds, x, z), condition=holds.shape)


@rule
def reshape(draw: Draw) -> None:
    place = draw.pick()
    shape = list(draw.values[place].shape)
    draw.rng.shuffle(shape)
    if len(shape) > 1 and draw.chance(0.5):
        shape = [shape[0] * shape[1], *shape[2:]]
    if len(shape) < 4 and draw.chance(0.4):
        shape.insert(int(draw.rng.integers(len(shape) + 1)), 1)
    shape = [int(n) for n in shape]
    if shape and 0 not in shape and draw.chance(0.3):
        shape[draw.rng.integers(len(shape))] = -1
    draw.call("reshape", place, shape=tuple(shape))


@rule
def transpose(draw: Draw) -> None:
    place = draw.pick()
    ndim = draw.values[place].ndim
    axes = [int(a - ndim * draw.chance(0.3)) for a in draw.rng.permutation(ndim)]
    draw.call("transpose", place, axes=None if draw.chance(0.3) else tuple(axes))


@rule
def getitem(draw: Draw) -> None:
    place = draw.pick()
    shape = draw.values[place].shape
    if shape and draw.chance(0.1):
        chosen = draw.rng.random(shape) < 0.5
        return draw.step("getitem", (place,), lambda x: ops.getitem(x, chosen), index=chosen.tolist())
    parts: list[Any] = []
    for n in shape:
        slices = [slice(None), slice(1, None), slice(None, None, -1), slice(None, None, 2), slice(-2, None)]
        kinds: list[Any] = [*slices]
        if n:
            kinds += [int(draw.below(n)), draw.below(n, 3), draw.below(n, (2, 1)).tolist(), draw.rng.random(n) < 0.6]
        parts.append(draw.one_of(*kinds))
    arrays = sum(isinstance(part, (np.ndarray, list)) for part in parts)
    if arrays > 1 and any(isinstance(part, np.ndarray) and part.dtype == bool for part in parts):
        raise Unfit  # whether they broadcast depends on how many are true
    if parts and draw.chance(0.2):
        parts[draw.rng.integers(len(parts)) :] = [...]
    if draw.chance(0.2):
        parts.insert(0, None)
    index = parts[0] if len(parts) == 1 and draw.chance(0.5) else tuple(parts)
    return draw.step("getitem", (place,), lambda x: ops.getitem(x, index), index=index)


@rule
def gather(draw: Draw) -> None:
    place = draw.pick(lambda x: x.ndim > 0)
    shape = list(draw.values[place].shape)
    axis = int(draw.below(len(shape)))
    length, shape[axis] = shape[axis], 1
    shape = [1 if draw.chance(0.2) else n for n in shape]
    shape[axis] = int(draw.rng.integers(1, 4)) if length else 0
    indices = draw.below(max(length, 1), shape).astype(draw.one_of(np.int64, np.int32))
    draw.call("gather", place, indices=indices, axis=axis)


@rule
def concatenate(draw: Draw) -> None:
    first = draw.pick(lambda x: x.ndim > 0)
    shape = list(draw.values[first].shape)
    axis = int(draw.below(len(shape)))
    places = [first]
    for _ in range(draw.rng.integers(0, 3)):
        shape[axis] = int(draw.rng.integers(0, 3))
        places.append(first if draw.chance(0.2) else draw.leaf(shape))
    draw.step("concatenate", places, lambda *xs: ops.concatenate(xs, axis), axis=axis)


@rule
def stack(draw: Draw) -> None:
    first = draw.pick(lambda x: x.ndim < 4)
    shape = draw.values[first].shape
    axis = int(draw.below(len(shape) + 1))
    places = [first, *(draw.pick(lambda x: x.shape == shape) for _ in range(draw.rng.integers(0, 2)))]
    if draw.chance(0.5):
        places.append(draw.leaf(shape))
    draw.step("stack", places, lambda *xs: ops.stack(xs, axis), axis=axis)


@rule
def pad(draw: Draw) -> None:
    place = draw.pick()
    ndim = draw.values[place].ndim
    widths = draw.rng.integers(0, 3, (ndim, 2)).tolist() if draw.chance(0.7) else 1
    draw.call("pad", place, widths=widths, value=draw.one_of(0.0, 1.5))


@rule
def matmul(draw: Draw) -> None:
    place = draw.pick(lambda x: x.ndim > 0)
    *stack_, inner = draw.values[place].shape
    batch = stack_[:-1] if draw.chance(0.5) else [1 if draw.chance(0.4) else n for n in stack_[:-1]]
    other = draw.one_of([inner], [inner, 2], [*batch, inner, 3])
    if draw.chance(0.3) and len(stack_) == 1:  # from the other side
        return draw.call("matmul", draw.leaf([*draw.one_of([], [2], [2, 3]), stack_[0]]), place)
    return draw.call("matmul", place, draw.leaf(other))


def _dense(name: str) -> Rule:
    def draw_one(draw: Draw) -> None:
        x = draw.pick(lambda x: x.ndim == 2)
        n_in, n_out = draw.values[x].shape[1], draw.one_of(1, 2, 3, 5)
        w = draw.leaf((n_in, n_out) if name == "dense" else (n_out, n_in))
        b = draw.leaf((n_out,))
        activation, alpha = ("identity", 0.0) if draw.chance(0.3) else activation_of(draw)
        kernel = draw.values[w] if name == "dense" else draw.values[w].T
        if not away(draw.values[x] @ kernel + draw.values[b], *kinks_of(activation, alpha)):
            raise Unfit
        draw.call(name, x, w, b, activation=activation, alpha=alpha)

    return draw_one


RULES |= {name: _dense(name) for name in ("dense", "dense_transposed")}


@rule
def prelu(draw: Draw) -> None:
    x = draw.pick(lambda x: x.ndim > 0 and away(x, 0.0))
    draw.call("prelu", x, draw.leaf(draw.values[x].shape[-1:]))


@rule
def maxout(draw: Draw) -> None:
    place = draw.pick(lambda x: x.ndim > 0 and x.shape[-1] > 0)
    x = draw.values[place]
    pieces = draw.one_of(*[n for n in range(1, x.shape[-1] + 1) if x.shape[-1] % n == 0])
    if not apart(x.reshape(*x.shape[:-1], x.shape[-1] // pieces, pieces), -1):
        raise Unfit
    draw.call("maxout", place, pieces=pieces)


@rule
def dropout(draw: Draw) -> None:
    rate, seed = draw.one_of(0.0, 0.3, 0.6), int(draw.rng.integers(1000))
    draw.step("dropout", (draw.pick(),), lambda x: ops.dropout(x, rate, rng=minidnn.Generator(seed)), rate=rate)


@rule
def rrelu(draw: Draw) -> None:
    place, seed = draw.pick(lambda x: away(x, 0.0)), int(draw.rng.integers(1000))
    training = draw.chance(0.7)
    draw.step("rrelu", (place,), lambda x: ops.rrelu(x, training=training, rng=minidnn.Generator(seed)))


@rule
def l1_l2_penalty(draw: Draw) -> None:
    draw.call("l1_l2_penalty", draw.pick(lambda x: away(x, 0.0)), l1=draw.one_of(0.0, 0.3), l2=draw.one_of(0.0, 0.2))


@rule
def softmax_cross_entropy(draw: Draw) -> None:
    place = draw.pick(lambda x: x.ndim == 2 and x.shape[1] > 0)
    rows, classes = draw.values[place].shape
    draw.call("softmax_cross_entropy", place, labels=draw.rng.integers(0, classes, rows))


@rule
def batch_norm(draw: Draw) -> None:
    x = draw.pick(lambda x: x.ndim == 2 and x.size > 0)
    n = draw.values[x].shape[1]
    places = (x, draw.leaf((n,)), draw.leaf((n,)))
    draw.step("batch_norm", places, lambda x, g, b: ops.batch_norm(x, g, b, 0.1)[0])


@rule
def batch_norm_eval(draw: Draw) -> None:
    x = draw.pick(lambda x: x.ndim == 2 and x.shape[1] > 0)
    n = draw.values[x].shape[1]
    mean, var = draw.rng.uniform(-1, 1, n), draw.rng.uniform(0.2, 2, n)

    def call(x: Tensor, g: Tensor, b: Tensor) -> Tensor:
        return ops.batch_norm_eval(x, g, b, mean.astype(x.dtype), var.astype(x.dtype), 0.1)

    draw.step("batch_norm_eval", (x, draw.leaf((n,)), draw.leaf((n,))), call)


@rule
def layer_norm(draw: Draw) -> None:
    x = draw.pick(lambda x: x.ndim == 2 and x.shape[1] > 0)
    n = draw.values[x].shape[1]
    draw.call("layer_norm", x, draw.leaf((n,)), draw.leaf((n,)), eps=0.1)


@rule
def embedding(draw: Draw) -> None:
    place = draw.pick(lambda x: x.ndim == 2 and len(x) > 0)
    shape = draw.one_of((), (3,), (2, 3), (0,), (2, 1, 2))
    draw.call("embedding", place, indices=draw.rng.integers(0, len(draw.values[place]), shape))


@rule
def embedding_bag(draw: Draw) -> None:
    place = draw.pick(lambda x: x.ndim == 2 and len(x) > 0)
    rows, mode = len(draw.values[place]), draw.one_of("sum", "mean")
    if draw.chance(0.5):
        indices = draw.rng.integers(0, rows, draw.shape(2))
        return draw.call("embedding_bag", place, indices=indices, mode=mode, padding=draw.one_of(None, 0))
    indices = draw.rng.integers(0, rows, draw.rng.integers(0, 7))
    offsets = np.sort(draw.rng.integers(0, len(indices) + 1, 3))
    offsets[0] = 0
    return draw.call("embedding_bag", place, indices=indices, offsets=offsets, mode=mode)
