"""The table of kernels: one row each, with its arguments and the tolerance of each output."""

from __future__ import annotations

import numpy as np

from kit.cases_inference import INFERENCE
from kit.cases_training import TRAINING
from kit.checks import EPS, TINY, Bits, Bound, Ulps
from kit.rows import KEY, LAYERS, PRODUCTS, ROWS, Kernel, normal
from minidnn.activations import ACTIVATIONS, ALPHA, FUSED


def elementwise(*options: float):
    return lambda rng, n: ((normal(rng, n), *options), {})


def derivative_arguments(name: str, *options: float):
    """dy, and what the derivative reads: an input x of the activation, or a y that the activation can return."""
    from minidnn import reference

    def make(rng, n):
        dy, x = normal(rng, n), normal(rng, n)
        return (dy, x if ACTIVATIONS[name].reads == "x" else getattr(reference, name)(x, *options), *options), {}

    return make


def near(*arguments):
    """The bound of an activation that multiplies x by a factor, whose argument and error grow as x * x."""
    x, y = arguments[0], arguments[-1]
    return Bound(
        (8 + x * x) * np.abs(y) + (4 + np.abs(x)) * TINY / EPS
    )  # a factor below the normal range is rounded more


def near_slope(dy, x, *rest):
    """The bound of its derivative, a sum of terms of up to |dy| (1 + |x|) that may cancel."""
    return Bound(8 * np.abs(dy) * (1 + np.abs(x)))


OUTPUTS = {"softplus": np.abs, "logsigmoid": lambda y: -np.abs(y)}
"""The range of y, where it is not every number."""

BOUNDS = {
    **dict.fromkeys(("relu", "leaky_relu", "relu6", "hardtanh", "hardsigmoid", "hardswish"), (Bits(), Bits())),
    **dict.fromkeys(("softsign", "thresholded_relu"), (Bits(), Bits())),
    **dict.fromkeys(("elu", "selu", "tanh", "sigmoid", "celu"), (Ulps(4), Bits())),
    **dict.fromkeys(("softplus", "logsigmoid"), (Ulps(4), Ulps(4))),
}
"""Ulps(4): the formulas around exp round at most twice more, exp itself is off by less than 1.5."""

ALPHAS = {"elu": 0.7, "celu": 0.7, "thresholded_relu": 0.5}
"""Settings that differ from the defaults, so that a kernel that ignores them fails."""


def activation(row) -> list[Kernel]:
    """An activation and its derivative, from its row."""
    forward, backward = BOUNDS.get(row.name, (near, near_slope))
    options = row.settings(ALPHAS.get(row.name))
    domain = {1: OUTPUTS[row.name]} if row.name in OUTPUTS else {}
    return [
        Kernel(row.name, elementwise(*options), [forward]),
        Kernel(f"{row.name}_backward", derivative_arguments(row.name, *options), [backward], domain=domain),
    ]


# Bounds, in units of EPS. A sum of n terms, in any order, is off by at most (n - 1) * sum |terms|.


def sum_bound(axis):
    return lambda x, exact: Bound(x.shape[axis] * np.abs(x).sum(axis=axis))


def shift(x):
    """|x - max|: rounding the shifted argument moves exp by as many EPS / 2."""
    return np.abs(x - x.max(axis=-1, keepdims=True)) if x.size else np.zeros_like(x)


def softmax_bound(x, y):
    return Bound(y * (shift(x) + shift(x).max(axis=-1, initial=0, keepdims=True) + x.shape[-1] + 8))


def log_softmax_bound(x, y):
    return Bound(2 * np.abs(y) + shift(x) + shift(x).max(axis=-1, initial=0, keepdims=True) + x.shape[-1] + 8)


def softmax_backward_bound(dy, y, dx):
    inner = np.abs(dy * y).sum(axis=-1, keepdims=True)
    return Bound(np.abs(y) * (np.abs(dy) + inner) * (x_terms(y) + 4))


def log_softmax_backward_bound(dy, y, dx):
    total = np.abs(dy).sum(axis=-1, keepdims=True)
    return Bound(np.abs(dy) + np.exp(y) * total * (x_terms(y) + 4))


def x_terms(x):
    return x.shape[-1]


def losses_bound(logits, labels, losses):
    return Bound(2 * np.abs(losses) + 2 * shift(logits).max(axis=-1, initial=0) + logits.shape[1] + 8)


def dlogits_bound(logits, labels, dlogits):
    softmax = dlogits.copy()
    softmax[np.arange(len(labels)), labels] += 1
    return Bound(softmax_bound(logits, softmax).scale + 2 * np.abs(dlogits))


def product_bound(a, b, c):
    return Bound((a.shape[1] + 2) * (np.abs(a) @ np.abs(b)))


LIPSCHITZ = 1.76
"""No activation is steeper: SELU, just left of 0."""


def dense_bound(x, w, b, activation, alpha, y):
    z = np.abs(x) @ np.abs(w) + np.abs(b)
    own = 4 if activation == "identity" or ACTIVATIONS[activation].reads == "y" else 8 + z * z  # see near
    return Bound(LIPSCHITZ * (x.shape[1] + 3) * z + own * np.abs(y))


def dz_scale(dy):
    """A derivative is off by at most 4 EPS of its largest value, LIPSCHITZ."""
    return 4 * LIPSCHITZ * np.abs(dy)


def dx_bound(dy, x, w, *rest):
    return Bound((w.shape[1] + 2) * (dz_scale(dy) @ np.abs(w.T)))


def dw_bound(dy, x, w, *rest):
    return Bound((x.shape[0] + 2) * (np.abs(x.T) @ dz_scale(dy)))


def db_bound(dy, *rest):
    return Bound((dy.shape[0] + 2) * dz_scale(dy).sum(axis=0))


def dalpha_bound(dy, x, *rest):
    return Bound((len(x) + 2) * np.abs(dy * x).sum(axis=0))


# Arguments


def product(transpose_a: bool, transpose_b: bool):
    def make(rng, size):
        m, k, n = size
        a = normal(rng, k, m).T if transpose_a else normal(rng, m, k)
        b = normal(rng, n, k).T if transpose_b else normal(rng, k, n)
        return (a, b), {}

    return make


def strided_product(rng, size):
    m, k, n = size
    return (normal(rng, 2 * m, 3 * k)[::-2, ::3], normal(rng, k, 2 * n)[:, ::-2]), {}


def broadcast_product(rng, size):
    m, k, n = size
    return (np.broadcast_to(normal(rng, 1, k), (m, k)), np.broadcast_to(normal(rng, k, 1), (k, n))), {}


def layer(activation: str, alpha: float):
    def make(rng, size):
        batch, n_in, n_out = size
        x, w, b = normal(rng, batch, n_in), normal(rng, n_in, n_out, scale=0.1), normal(rng, n_out)
        return (x, w, b, activation, alpha), {}

    return make


def layer_backward(activation: str, alpha: float):
    from minidnn.reference import dense

    def make(rng, size):
        (x, w, b, *rest), _ = layer(activation, alpha)(rng, size)
        y = dense(x, w, b, activation, alpha)
        return (normal(rng, *y.shape), x, w, y, *rest, True, True), {}

    return make


def partly(need_dx: bool, need_dw: bool):
    def make(rng, size):
        arguments, options = layer_backward("elu", 1.0)(rng, size)
        return (*arguments[:-2], need_dx, need_dw), options

    return make


def with_labels(rng, size):
    rows, columns = size
    return (normal(rng, rows, columns), rng.integers(0, columns, rows)), {}


def matrices(count: int):
    return lambda rng, size: (tuple(normal(rng, *size) for _ in range(count)), {})


def after(activation: str):
    from minidnn import reference

    def make(rng, size):
        return (normal(rng, *size), getattr(reference, activation)(normal(rng, *size))), {}

    return make


def parametric(*need_dalpha: bool):
    def make(rng, size):
        slopes = np.abs(normal(rng, size[1], scale=0.3))
        return (*(normal(rng, *size) for _ in range(1 + len(need_dalpha))), slopes, *need_dalpha), {}

    return make


def random_slopes(arrays: int):
    return lambda rng, n: ((*(normal(rng, n) for _ in range(arrays)), 0.125, 1 / 3, *KEY), {})


def probabilities(rng, n):
    """Numbers in [0, 1], including 0 and 1."""
    return np.clip(normal(rng, n, scale=0.6) + np.float32(0.5), 0, 1)


BAGS = ((0, 0, 3, 4), (1, 1, 1, 1), (3, 5, 7, 15), (5, 2, 1, 16), (9, 0, 4, 17), (40, 12, 300, 33), (200, 20, 900, 50))
"""(bags, width, rows, columns); the last is beyond the grain of the parallel loops, both ways."""


def bags(mean: bool, backward: bool, offsets: bool = False):
    """A matrix of bags that are padded with -7, or flat bags of random sizes."""

    def make(rng, size):
        count, width, rows, columns = size
        indices, starts = rng.integers(0, rows, (count, width)), None
        if offsets:
            indices = indices.ravel()
            starts = np.sort(rng.integers(0, indices.size + 1, count))
            starts[:1] = 0
            if not count:
                indices = indices[:0]
        else:
            indices[rng.random(indices.shape) < 0.3] = -7
        options = (indices, starts, -7, mean)
        if backward:
            return (normal(rng, count, columns), *options, rows), {}
        return (normal(rng, rows, columns), *options), {}

    return make


def given_by(activation: str, alpha: float):
    """What makes y of `layer_backward` one that the activation can have given."""
    from minidnn.reference.matmul import activate

    return {3: lambda values: activate(values, activation, alpha)}


DENSE = [("identity", 0.0), *ALPHA.items()]
DENSE_BACKWARD = [("identity", 0.0), *FUSED.items()]

KERNELS: list[Kernel] = [
    *(kernel for row in ACTIVATIONS.values() for kernel in activation(row)),
    Kernel("prelu", parametric(), [Bits()], ROWS),
    Kernel("prelu_backward", parametric(True), [Bits(), dalpha_bound], ROWS),
    Kernel("prelu_backward", parametric(False), [Bits()], ROWS, variant="without dalpha"),
    Kernel("softmax", matrices(1), [softmax_bound], ROWS),
    Kernel("softmax_backward", after("softmax"), [softmax_backward_bound], ROWS),
    Kernel("log_softmax", matrices(1), [log_softmax_bound], ROWS),
    Kernel("log_softmax_backward", after("log_softmax"), [log_softmax_backward_bound], ROWS),
    Kernel("softmax_cross_entropy", with_labels, [losses_bound, dlogits_bound], ROWS),
    Kernel("row_sum", matrices(1), [sum_bound(1)], ROWS),
    Kernel("column_sum", matrices(1), [sum_bound(0)], ROWS),
    Kernel("matmul", product(False, False), [product_bound], PRODUCTS, variant="nn"),
    Kernel("matmul", product(False, True), [product_bound], PRODUCTS, variant="nt"),
    Kernel("matmul", product(True, False), [product_bound], PRODUCTS, variant="tn"),
    Kernel("matmul", product(True, True), [product_bound], PRODUCTS, variant="tt"),
    Kernel("matmul", strided_product, [product_bound], PRODUCTS, variant="strided"),
    Kernel("matmul", broadcast_product, [product_bound], PRODUCTS, variant="zero strides"),
    *(Kernel("dense", layer(*f), [dense_bound], LAYERS, variant=f[0]) for f in DENSE),
    *(
        Kernel(
            "dense_backward",
            layer_backward(*f),
            [dx_bound, dw_bound, db_bound],
            LAYERS,
            domain=given_by(*f),
            variant=f[0],
        )
        for f in DENSE_BACKWARD
    ),
    Kernel(
        "dense_backward",
        partly(False, True),
        [dw_bound, db_bound],
        LAYERS,
        domain=given_by("elu", 1.0),
        variant="without dx",
    ),
    Kernel(
        "dense_backward", partly(True, False), [dx_bound], LAYERS, domain=given_by("elu", 1.0), variant="without dw"
    ),
    *(
        Kernel(name, bags(mean, name.endswith("backward"), offsets), [Bits()], BAGS, variant=f"{kind}, {form}")
        for name in ("embedding_bag", "embedding_bag_backward")
        for kind, mean in (("sum", False), ("mean", True))
        for form, offsets in (("padded", False), ("offsets", True))
    ),
    Kernel("random_bits", lambda rng, n: ((n, *KEY), {}), [Bits()]),
    Kernel("random_normal", lambda rng, n: ((n, -0.5, 1.7, *KEY), {}), [Bits()]),
    Kernel("bernoulli", lambda rng, n: ((probabilities(rng, n), *KEY), {}), [Bits()]),
    Kernel("dropout", lambda rng, n: ((normal(rng, n), 0.3, *KEY), {}), [Bits()]),
    Kernel("rrelu", random_slopes(1), [Bits()]),
    Kernel("rrelu_backward", random_slopes(2), [Bits()]),
    *TRAINING,
    *INFERENCE,
]

NOT_ROUTED = {"fingerprint": "tested in test_tensor.py", "philox": "known answers in test_random.py"}
"""Public functions of the reference that are not kernels of this table, and where they are tested."""
