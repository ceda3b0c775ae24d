"""``python -m bench overhead``: the time that the tape adds to an op, on arrays of a few numbers."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence

import numpy as np

from minidnn import Tensor, kernels, nn, ops

Call = Callable[[], object]

X, W, B = np.ones((2, 4), np.float32), np.ones((4, 4), np.float32), np.ones(4, np.float32)
LABELS = np.zeros(2, np.int64)

KERNELS: dict[str, Call] = {
    "relu": lambda: kernels.relu(X),
    "add": lambda: kernels.add(X, X),
    "matmul": lambda: kernels.matmul(X, W),
    "dense": lambda: kernels.dense(X, W, B, "relu", 0.0),
    "softmax_cross_entropy": lambda: kernels.softmax_cross_entropy(X, LABELS),
    "momentum_step": lambda: kernels.momentum_step(B, B2, B3, lr=0.0, momentum=0.9),
}
B2, B3 = B.copy(), B.copy()

x, w, b = (Tensor(array, requires_grad=True) for array in (X, W, B))
OPS: dict[str, Callable[[], Tensor]] = {
    "relu": lambda: ops.relu(x),
    "add": lambda: x + x,
    "multiply": lambda: x * x,
    "exp (NumPy)": lambda: ops.exp(x),
    "matmul": lambda: x @ w,
    "dense": lambda: ops.dense(x, w, b, "relu"),
    "dropout": lambda: ops.dropout(x, 0.5),
    "log_softmax": lambda: ops.log_softmax(x),
    "softmax_cross_entropy": lambda: ops.softmax_cross_entropy(x, LABELS),
    "mean": lambda: ops.mean(x),
    "reshape": lambda: x.reshape(4, 2),
    "loss": lambda: nn.softmax_cross_entropy(x, LABELS),
}


def nanoseconds(call: Call) -> float:
    """The time of one call, the shortest of several rounds: longer ones contain the time of other programs."""
    timer = timeit.Timer(call)
    return min(timer.repeat(7, 2000)) / 2000 * 1e9


def main(arguments: Sequence[str] = ()) -> int:
    print(f"{'kernel':<24}{'call ns':>10}")
    for name, call in KERNELS.items():
        print(f"{name:<24}{nanoseconds(call):>10.0f}")
    print(f"\n{'op':<24}{'forward ns':>12}{'and backward ns':>18}")
    for name, op in OPS.items():
        seed = np.ones_like(op().data)
        both = nanoseconds(lambda op=op, seed=seed: op().backward(seed))  # type: ignore[misc]
        print(f"{name:<24}{nanoseconds(op):>12.0f}{both:>18.0f}")
    return 0
