"""Optimizer updates on 10M parameters, penalties, norms and normalization, against NumPy (in place where possible)."""

from __future__ import annotations

import numpy as np

from minidnn import kernels, reference
from minidnn.optim import making
from minidnn.optimizers import KERNELS, UPDATES

from .bench_kernels import close, compared, normal
from .harness import Bench

PARAMETERS = 10_000_000


def momentum(param, grad, velocity, *, lr, momentum):
    velocity *= np.float32(momentum)
    velocity += grad
    param -= np.float32(lr) * velocity


def adam(param, grad, m, v, *, lr, beta1, beta2, eps, step):
    m *= np.float32(beta1)
    m += np.float32(1 - beta1) * grad
    v *= np.float32(beta2)
    v += np.float32(1 - beta2) * (grad * grad)
    scaled = np.sqrt(v)
    scaled *= np.float32(1 / np.sqrt(1 - beta2**step))
    scaled += np.float32(eps)
    param -= np.float32(lr / (1 - beta1**step)) * m / scaled


PEERS = {"momentum": momentum, "adam": adam}
"""Written by hand; for the others the peer is the reference."""
OPTIONS: dict[str, dict[str, float]] = {
    "rmsprop_centered": {"eps": 100.0},
    "ftrl": {"lr": 0.05, "l1": 0.1},
    "adafactor_mean": {"beta2_decay": -0.8, "count": 300, "step": 10},
    "adafactor_direction": {"eps": 0.1},
}


def update(name: str, n: int) -> Bench:
    kernel, slots = f"{name}_step", len(making.slots(name))
    options = (making.settings(name, lr=1e-3, step=10) if name in UPDATES else {}) | OPTIONS.get(name, {})
    peer = PEERS.get(name) or getattr(reference, kernel)

    def setup():
        grad = np.abs(normal(n)) if name == "adafactor_direction" else normal(n)
        mine = [normal(n), *(np.abs(normal(n)) for _ in range(slots))]
        theirs = [array.copy() for array in mine]
        ours = lambda: getattr(kernels, kernel)(mine[0], grad, *mine[1:], **options)  # noqa: E731
        other = lambda: peer(theirs[0], grad, *theirs[1:], **options)  # noqa: E731

        def check():
            ours(), other()
            close(mine, theirs)

        return ours, other, check

    return Bench(f"{kernel} {n:,}", (kernel,), setup, bytes=4 * n * (3 + 2 * slots))


def in_place(name: str, shape: tuple[int, ...], options: tuple[float, ...], passes: int) -> Bench:
    """A kernel that changes its argument, against its reference."""

    def setup():
        mine = normal(*shape)
        theirs = mine.copy()
        ours = lambda: getattr(kernels, name)(mine, *options)  # noqa: E731
        peer = lambda: getattr(reference, name)(theirs, *options)  # noqa: E731

        def check():
            ours(), peer()
            close([mine], [theirs])

        return ours, peer, check

    size = f"{'x'.join(map(str, shape))} {' '.join(map(str, options))}".strip()
    return Bench(f"{name} {size}", (name,), setup, bytes=4 * passes * int(np.prod(shape)))


BATCH, UNITS = 256, 1024
MATRIX = 4 * BATCH * UNITS


def normalized(name: str, passes: int, backward: bool, axis: int = 0, given: bool = False, needs: tuple = ()) -> Bench:
    def make():
        x = normal(BATCH, UNITS)
        statistics = (x.mean(axis=axis), x.var(axis=axis)) if backward or given else ()
        if backward:
            return normal(BATCH, UNITS), x, normal(UNITS), *statistics, 1e-3, *needs
        return x, normal(UNITS), normal(UNITS), *statistics, 1e-3

    peer = getattr(reference, name)
    return compared(f"{name} {BATCH}x{UNITS}", make, peer, bytes=passes * MATRIX, tolerance=1e-3)


def in_place_by_another(name: str, n: int, **options: float) -> Bench:
    """A kernel that updates its first argument from a second one, against its reference."""

    def setup():
        mine, other = normal(n), np.maximum(normal(n), 0)
        theirs = mine.copy()
        ours = lambda: getattr(kernels, name)(mine, other, **options)  # noqa: E731
        peer = lambda: getattr(reference, name)(theirs, other, **options)  # noqa: E731

        def check():
            ours(), peer()
            close([mine], [theirs])

        return ours, peer, check

    return Bench(f"{name} {n}", (name,), setup, bytes=12 * n)


def finite(n: int) -> Bench:
    def setup():
        x, broken = normal(n), np.full(n, np.nan, np.float32)

        def check():
            for each in (kernels.check_finite, reference.check_finite):
                each(x)
                try:
                    each(broken)
                except FloatingPointError:
                    continue
                raise AssertionError("NaN was not detected")

        return (lambda: kernels.check_finite(x)), (lambda: reference.check_finite(x)), check

    return Bench(f"check_finite {n}", ("check_finite",), setup, bytes=4 * n)


def scalar(name: str, *options: float) -> Bench:
    ours = lambda x: [np.asarray(getattr(kernels, name)(x, *options))]  # noqa: E731
    peers = {
        "squared_norm": lambda x: np.dot(x, x),
        "l1_l2_penalty": lambda x, l1, l2: l1 * np.abs(x).sum() + l2 * np.dot(x, x),
    }

    def setup():
        x = normal(PARAMETERS)
        peer = lambda: [np.asarray(peers[name](x, *options))]  # noqa: E731
        return (lambda: ours(x)), peer, lambda: close(ours(x), peer(), 1e-2)

    return Bench(f"{name} {PARAMETERS:,}", (name,), setup, bytes=4 * PARAMETERS)


BENCHES = [
    *(update(name.removesuffix("_step"), PARAMETERS) for name in KERNELS),
    update("adam", 784 * 300),
    scalar("squared_norm"),
    scalar("l1_l2_penalty", 0.1, 0.1),
    compared(
        f"l1_l2_gradient {PARAMETERS:,}",
        lambda: (normal(PARAMETERS), np.ones((), np.float32), 0.1, 0.1),
        lambda w, dy, l1, l2: np.float32(dy * l1) * np.sign(w) + np.float32(dy * 2 * l2) * w,
        bytes=8 * PARAMETERS,
    ),
    *(
        compared(
            f"{name} {PARAMETERS:,}", lambda: (normal(PARAMETERS), normal(PARAMETERS)), peer, bytes=12 * PARAMETERS
        )
        for name, peer in (("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply))
    ),
    compared(f"mean {PARAMETERS:,}", lambda: (normal(PARAMETERS),), np.mean, bytes=4 * PARAMETERS, tolerance=1e-3),
    compared(
        f"mean_backward {PARAMETERS:,}",
        lambda: (np.ones((), np.float32), normal(PARAMETERS)),
        lambda dy, x: np.full_like(x, dy / x.size),
        bytes=4 * PARAMETERS,
    ),
    compared(
        "scale_rows 4096x1024",
        lambda: (normal(4096, 1024), normal(4096)),
        lambda x, factors: x * factors[:, np.newaxis],
        bytes=8 * 4096 * 1024,
    ),
    finite(UNITS),
    in_place_by_another("moving_average", UNITS, momentum=0.99),
    in_place("scale", (PARAMETERS,), (0.9999,), 2),
    in_place("clip", (PARAMETERS,), (-1.0, 1.0), 2),
    in_place_by_another("mask_weights", PARAMETERS),
    in_place("max_norm", (784, 300), (1.0, 0), 3),
    in_place("max_norm", (784, 300), (1.0, 1), 3),
    in_place("unit_norm", (784, 300), (0,), 3),
    normalized("batch_norm", 2, backward=False),
    normalized("batch_norm_eval", 2, backward=False, given=True),
    normalized("batch_norm_backward", 3, backward=True),
    normalized("batch_norm_eval_backward", 3, backward=True),
    normalized("layer_norm", 2, backward=False),
    normalized("layer_norm_backward", 3, backward=True, axis=1, needs=(True,)),
]
