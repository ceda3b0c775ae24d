"""The rows of kernels for training: optimizer updates, norms and penalties of weights, normalization."""

from __future__ import annotations

import numpy as np

from kit.checks import EPS, Bits, Bound
from kit.rows import ROWS, SIZES, Kernel, normal
from minidnn.optim import making
from minidnn.optimizers import UPDATES as OPTIMIZERS

MATRICES = tuple(shape for shape in ROWS if min(shape) > 0)
TALL = (*MATRICES, (500, 67), (500, 64), (9, 129))
"""(rows, columns): many rows, and columns around the width of the blocks of batch statistics."""


def update(slots: str, **options: float):
    """A slot is any number ("n"), or positive as a sum of squares ("p")."""

    def make(rng, n):
        makers = {
            "n": lambda: normal(rng, n),
            "p": lambda: np.abs(normal(rng, n)),
        }
        return (normal(rng, n), normal(rng, n), *(makers[slot]() for slot in slots)), options

    return make


def step(name: str, variant: str = "", **options: float) -> Kernel:
    """The arguments of an optimizer's update, with its defaults except for these options."""
    row, names = OPTIMIZERS[name], making.slots(name)
    kinds = "".join("p" if slot in row.positive else "n" for slot in names)
    return Kernel(
        f"{name}_step",
        update(kinds, **(making.settings(name) | options)),
        [Bits()] * (1 + len(names)),
        mutated=(0, *range(2, 2 + len(names))),
        variant=variant,
    )


FTRL = {"lr": 0.05, "lr_power": -0.5, "l1": 0.3, "l2": 0.01, "l2_shrinkage": 0.02, "beta": 0.1}


def ftrl_power_bounds():
    """The bounds for a general power, computed by exp and log: off by 2 + 2 |p log a| EPS of its size.

    The difference of two such powers, and a quotient by one, inherit that error. Rounding decides whether param is 0
    where |linear| is near l1, so it is compared as ``pull / quadratic`` with l1's own place in the bound.
    """

    def powers(accumulator, grad, p):
        total = accumulator + grad**2
        return total**p, 4 + 2 * np.abs(p * np.log(total)) + 2 * np.abs(p * np.log(accumulator))

    def linear(param, grad, accumulator, line, exact):
        root, ulps = powers(accumulator, grad, 0.7)
        return Bound(
            8 * (np.abs(line) + np.abs(grad) + np.abs(param)) + 8 * np.abs(exact) + ulps * root / 0.05 * np.abs(param)
        )

    def weights(param, grad, accumulator, line, exact):
        root, ulps = powers(accumulator, grad, 0.7)
        return Bound((linear(param, grad, accumulator, line, exact).scale + ulps * 100) / (root / 0.05))

    return [weights, Bits(), linear]


OPTIONS = {
    "adagrad_da": {"l1": 0.1, "l2": 0.2},
    "lars": {"weight_decay": 0.1},
    "lamb": {"weight_decay": 0.1},
    "adamw": {"weight_decay": 0.1},
    "lion": {"weight_decay": 0.1},
    "ftrl": FTRL,
}
"""Options of optimizers whose defaults switch a part of the update off."""
UPDATES = [
    *(step(name, "square root" if name == "ftrl" else "", **OPTIONS.get(name, {})) for name in OPTIMIZERS),
    step("radam", "rectified", step=9),
    Kernel("adafactor_mean_step", update("", beta2_decay=-0.8, count=5, step=3), [Bits()], mutated=(0,)),
    Kernel(
        "adafactor_direction_step",
        lambda rng, n: ((normal(rng, n), np.abs(normal(rng, n))), {"eps": 0.1}),
        [Bits()],
        mutated=(0,),
    ),
    step("ftrl", "one", **(FTRL | {"lr_power": 0.0})),
    *(step("ftrl", f"rate 0, {p}", **(FTRL | {"lr": 0.0, "lr_power": p})) for p in (-0.5, 0.0, -0.7)),
]


def sum_bound(terms):
    """The bound of a float64 sum, in units of float32's EPS."""
    return lambda x, *options_and_exact: Bound(np.asarray(x.size * terms(x).sum() * 2.0**-29))


def penalty_bound(w, l1, l2, exact):
    """As `sum_bound`, with the rounding to float32."""
    return Bound(np.asarray(np.abs(exact) + w.size * (np.abs(w) + w * w).sum() * 2.0**-29))


def rescale_bound(w, *options_and_exact):
    return Bound((max(w.shape) + 8) * np.abs(options_and_exact[-1]))


def mean_bound(x, exact):
    """The bound of the float64 sum, in units of float32's EPS, with the rounding to float32."""
    return Bound(np.asarray(np.abs(exact) + np.abs(x).sum() * 2.0**-29))


def pair(rng, n):
    return (normal(rng, n), normal(rng, n)), {}


NOT_EMPTY = tuple(size for size in SIZES if size)

ARITHMETIC = [
    *(Kernel(name, pair, [Bits()]) for name in ("add", "subtract", "multiply")),
    Kernel("mean", lambda rng, n: ((normal(rng, n),), {}), [mean_bound], NOT_EMPTY),
    Kernel("mean_backward", lambda rng, n: ((np.asarray(0.7, np.float32), normal(rng, n)), {}), [Bits()], NOT_EMPTY),
    Kernel("scale_rows", lambda rng, size: ((normal(rng, *size), normal(rng, size[0])), {}), [Bits()], ROWS),
    Kernel(
        "moving_average",
        lambda rng, n: ((normal(rng, n), normal(rng, n)), {"momentum": 0.9}),
        [Bits()],
        mutated=(0,),
    ),
    Kernel("check_finite", lambda rng, n: ((normal(rng, n),), {}), []),
]

WEIGHTS = [
    Kernel("squared_norm", lambda rng, n: ((normal(rng, n),), {}), [sum_bound(np.square)]),
    Kernel(
        "l1_l2_penalty",
        lambda rng, n: ((normal(rng, n), 0.3, 0.2), {}),
        [penalty_bound],
    ),
    Kernel(
        "l1_l2_gradient",
        lambda rng, n: ((normal(rng, n), np.asarray(0.7, np.float32), 0.3, 0.2), {}),
        [Bits()],
    ),
    Kernel("scale", lambda rng, n: ((normal(rng, n), 0.3), {}), [Bits()], mutated=(0,)),
    Kernel("clip", lambda rng, n: ((normal(rng, n), -1.5, 2.0), {}), [Bits()], mutated=(0,)),
    Kernel(
        "mask_weights",
        lambda rng, n: ((normal(rng, n), rng.integers(0, 2, n).astype(np.float32)), {}),
        [Bits()],
        mutated=(0,),
    ),
    *(
        Kernel(
            name,
            lambda rng, size, options=options: ((normal(rng, *size), *options), {}),
            [rescale_bound],
            MATRICES,
            mutated=(0,),
            variant=f"axis {options[-1]}",
        )
        for name, options in [("max_norm", (6.0, 0)), ("max_norm", (6.0, 1)), ("unit_norm", (0,)), ("unit_norm", (1,))]
    ),
]

NORM_EPS = 1e-3


def norm_bounds(axis):
    """The bounds of mean and variance, and of the normalized values, from the exact ones."""

    def statistics(x):
        mean, var = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
        n = x.shape[axis] + 16
        # What the first mean is off by; it is corrected, but for its rounding.
        start = np.expand_dims(x.take(0, axis=axis), axis)
        rest = EPS * (np.abs(mean) + n * np.abs(x - start).mean(axis=axis, keepdims=True))
        off = np.abs(mean) + n * (np.sqrt(var) + rest)
        return mean, var, off, 2 * n * (var + rest**2)

    def y(x, gamma, beta, eps, exact):
        mean, var, off, var_off = statistics(x)
        r = 1 / np.sqrt(var + eps)
        normal = off * r + np.abs(x - mean) * r * (4 + var_off * r**2)
        return Bound(2 * np.abs(gamma) * normal + 2 * np.abs(beta))

    def mean(x, gamma, beta, eps, exact):
        return Bound(statistics(x)[2].squeeze(axis))

    def var(x, gamma, beta, eps, exact):
        return Bound(statistics(x)[3].squeeze(axis))

    return [y, mean, var]


def norm_backward_bounds(axis):
    """The bounds of sums along the axis, with given statistics."""

    def terms(dy, x, gamma, mean, var):
        mean, var = np.expand_dims(mean, axis), np.expand_dims(var, axis)
        r = 1 / np.sqrt(var + NORM_EPS)
        return np.abs(gamma * dy), r, (np.abs(x) + np.abs(mean)) * r

    def dx(dy, x, gamma, mean, var, *rest):
        g, r, normal = terms(dy, x, gamma, mean, var)
        g = g + g.mean(axis=axis, keepdims=True) + normal * (g * normal).mean(axis=axis, keepdims=True)
        return Bound((x.shape[axis] + 16) * r * g)

    def dgamma(dy, x, gamma, mean, var, *rest):
        return Bound((len(x) + 16) * (np.abs(dy) * terms(dy, x, gamma, mean, var)[2]).sum(axis=0))

    def dbeta(dy, *rest):
        return Bound(len(dy) * np.abs(dy).sum(axis=0))

    return [dx, dgamma, dbeta]


def with_affine(offset: float = 0.0):
    def make(rng, size):
        x = normal(rng, *size) + np.float32(offset)
        return (x, normal(rng, size[1]), normal(rng, size[1]), NORM_EPS), {}

    return make


def with_statistics(backward: bool, axis: int = 0):
    def make(rng, size):
        x = normal(rng, *size)
        statistics = x.mean(axis=axis), x.var(axis=axis)
        if backward:
            return (normal(rng, *size), x, normal(rng, size[1]), *statistics, NORM_EPS), {}
        return (x, normal(rng, size[1]), normal(rng, size[1]), *statistics, NORM_EPS), {}

    return make


def along_rows(need_dgamma: bool):
    def make(rng, size):
        arguments, options = with_statistics(True, axis=1)(rng, size)
        return (*arguments, need_dgamma), options

    return make


NORMALIZATION = [
    Kernel("batch_norm", with_affine(), norm_bounds(0), TALL),
    Kernel("batch_norm", with_affine(3e5), norm_bounds(0), TALL, variant="far from 0"),
    Kernel("batch_norm_eval", with_statistics(False), [Bits()], MATRICES),
    Kernel("batch_norm_backward", with_statistics(True), norm_backward_bounds(0), MATRICES),
    Kernel("batch_norm_eval_backward", with_statistics(True), norm_backward_bounds(0), MATRICES),
    Kernel("layer_norm", with_affine(), norm_bounds(1), MATRICES),
    Kernel("layer_norm", with_affine(3e5), norm_bounds(1), MATRICES, variant="far from 0"),
    Kernel("layer_norm_backward", along_rows(True), norm_backward_bounds(1), MATRICES),
    Kernel("layer_norm_backward", along_rows(False), norm_backward_bounds(1)[:1], MATRICES, variant="without dgamma"),
]

TRAINING = [
    *UPDATES,
    Kernel(
        "ftrl_step",
        update("pn", **(FTRL | {"lr_power": -0.7, "l1": 0.0})),
        ftrl_power_bounds(),
        SIZES,
        mutated=(0, 2, 3),
        variant="power",
    ),
    *ARITHMETIC,
    *WEIGHTS,
    *NORMALIZATION,
]
