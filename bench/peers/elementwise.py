"""Activations, dropout, the loss and optimizer updates on large arrays, and an activation on a small one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

TITLE, UNIT = "elements, microseconds", 1e6
WORKERS = {"minidnn": ("minidnn", "stream"), "torch": ("torch", "torch compile"), "jax": ("jax",)}
DIGITS = 1
CHECK_AFTER = 1

ROWS, COLUMNS = 4096, 1024


@dataclass(frozen=True)
class Elements:
    """`moved`: the floats that must be read or written for each element, at least."""

    op: str
    shape: tuple[int, ...]
    moved: int

    @property
    def name(self) -> str:
        return f"{self.op}, {' x '.join(f'{n:,}' for n in self.shape)}"

    @property
    def bytes(self) -> int:
        return 4 * self.moved * int(np.prod(self.shape))

    def arrays(self, count: int) -> list[np.ndarray]:
        """Input, gradient and moments, the same for all frameworks; Adam's second moment is a square."""
        rng = np.random.default_rng(1)
        arrays = [rng.standard_normal(self.shape, dtype=np.float32) for _ in range(count)]
        return arrays[:3] + [np.square(array) for array in arrays[3:]]

    def labels(self) -> np.ndarray:
        return np.random.default_rng(2).integers(0, COLUMNS, ROWS)


CASES = [
    Elements("relu", (50, 300), 2),
    Elements("elu", (50, 300), 2),
    Elements("relu", (4_000_000,), 2),
    Elements("elu", (4_000_000,), 2),
    Elements("dropout", (4_000_000,), 2),
    Elements("cross-entropy, forward and backward", (ROWS, COLUMNS), 2),
    Elements("momentum", (10_000_000,), 5),
    Elements("adam", (10_000_000,), 7),
]
ADAM = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}

Pair = tuple[Callable[[], Any], Callable[[], list[np.ndarray]]]


def build(name: str, case: Elements) -> Pair:
    return {"minidnn": of_minidnn, "stream": of_stream, "torch": of_torch, "jax": of_jax}[name.split()[0]](name, case)


def disagreement(case: Elements, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    if not theirs:
        return ""  # STREAM computes another formula
    if case.op == "dropout":  # the masks differ between frameworks: the mean of ones must stay 1
        return "" if abs(theirs[0].mean() - 1) < 0.01 else f"the mean is {theirs[0].mean():.3f}"
    same = all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(mine, theirs, strict=True))
    return "" if same else "the results differ"


def result(run: Callable[[], Any]) -> Pair:
    return run, lambda: [np.asarray(run())]


def of_stream(name: str, case: Elements) -> Pair:
    """STREAM's triad on as many bytes as the case must move."""
    from .machine import triad

    return triad(case.bytes), list


def of_minidnn(name: str, case: Elements) -> Pair:
    from minidnn import kernels

    if case.op == "dropout":
        ones = kernels.aligned_copy(np.ones(case.shape, np.float32), 0)
        return result(lambda: kernels.dropout(ones, 0.5, 1, 2, 3))
    x, grad, m, v = (kernels.aligned_copy(array, place) for place, array in enumerate(case.arrays(4)))
    if case.op == "momentum":
        return lambda: kernels.momentum_step(x, grad, m, lr=0.01, momentum=0.9), lambda: [x]
    if case.op == "adam":
        return lambda: kernels.adam_step(x, grad, m, v, step=1, **ADAM), lambda: [x]
    if case.op.startswith("cross"):
        labels = case.labels()
        return (lambda: kernels.softmax_cross_entropy(x, labels)), lambda: [kernels.softmax_cross_entropy(x, labels)[1]]
    return result(lambda: kernels.relu(x) if case.op == "relu" else kernels.elu(x, 1.0))


def of_torch(name: str, case: Elements) -> Pair:
    import torch
    from torch.nn import functional as F

    finish = torch.compile if name == "torch compile" else lambda run: run
    if case.op == "dropout":
        ones = torch.ones(case.shape)
        return result(finish(lambda: F.dropout(ones, 0.5)))
    x, grad, m, v = map(torch.from_numpy, case.arrays(4))
    if case.op in ("momentum", "adam"):
        x.grad = grad
        if case.op == "momentum":
            optimizer = torch.optim.SGD([x], 0.01, momentum=0.9, fused=True)
            optimizer.state[x]["momentum_buffer"] = m
        else:
            optimizer = torch.optim.Adam([x], 1e-3, fused=True)
            optimizer.state[x] = {"step": torch.tensor(0.0), "exp_avg": m, "exp_avg_sq": v}
        return finish(optimizer.step), lambda: [x.numpy()]
    if case.op.startswith("cross"):
        labels = torch.from_numpy(case.labels())
        x.requires_grad_()

        def step():
            x.grad = None
            F.cross_entropy(x, labels, reduction="sum").backward()

        return finish(step), lambda: [x.grad.numpy()]
    return result(finish(lambda: torch.relu(x) if case.op == "relu" else F.elu(x)))


def of_jax(name: str, case: Elements) -> Pair:
    import jax
    import jax.numpy as jnp

    if case.op == "dropout":
        ones, keys = jnp.ones(case.shape), [jax.random.PRNGKey(0)]

        @jax.jit
        def dropout(key, x):
            key, used = jax.random.split(key)
            return key, jnp.where(jax.random.bernoulli(used, 0.5, x.shape), x * 2, 0)

        def run():
            keys[0], y = dropout(keys[0], ones)
            return jax.block_until_ready(y)

        return result(run)
    x, grad, m, v = map(jnp.asarray, case.arrays(4))
    if case.op in ("momentum", "adam"):
        return jax_update(case.op, [x, m] if case.op == "momentum" else [x, m, v], grad)
    if case.op.startswith("cross"):
        labels = jnp.asarray(case.labels())

        def loss(x):
            return -jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], 1).sum()

        both = jax.jit(jax.value_and_grad(loss))
        return (lambda: jax.block_until_ready(both(x))), lambda: [np.asarray(both(x)[1])]
    function = jax.jit(jax.nn.relu if case.op == "relu" else jax.nn.elu)
    return result(lambda: jax.block_until_ready(function(x)))


def jax_update(op: str, state: list[Any], grad: Any) -> Pair:
    import jax
    import jax.numpy as jnp

    def update(state, grad):
        if op == "momentum":
            x, velocity = state
            velocity = 0.9 * velocity + grad
            return [x - 0.01 * velocity, velocity]
        x, m, v = state
        m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad * grad
        return [x - 0.001 / (1 - 0.9) * m / (jnp.sqrt(v) / (1 - 0.999) ** 0.5 + 1e-8), m, v]

    compiled, held = jax.jit(update, donate_argnums=(0,)), [state]

    def run():
        held[0] = jax.block_until_ready(compiled(held[0], grad))

    return run, lambda: [np.asarray(held[0][0])]
