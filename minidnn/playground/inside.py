"""The program of a step, call by call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minidnn import Generator, nn, training
from minidnn.explaining import explain
from minidnn.playground.settings import OPTIMIZERS
from minidnn.program.show import flow, settings


def inside(query: Mapping[str, str]) -> dict[str, Any]:
    """The calls of one step of 784-300-50-10 with their times, and an explanation of each kernel.

    Args:
        query: may have an entry ``optimizer``, the name of an optimizer.

    Raises:
        ValueError: the optimizer is unknown.
    """
    name = query.get("optimizer", "Momentum")
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer is {name!r}, must be one of {', '.join(OPTIMIZERS)}")
    rng = Generator(1)
    model = nn.Sequential(
        nn.Dense(784, 300, "relu", name="hidden1", rng=rng),
        nn.Dense(300, 50, "relu", name="hidden2", rng=rng),
        nn.Dense(50, 10, name="logits", rng=rng),
    )
    optimizer = OPTIMIZERS[name](model.parameters(), 0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    batch = rng.uniform((50, 784)), np.arange(50) % 10
    captured = training.capture(step, *batch)
    profile = captured.profile(*batch, repeats=30)
    rows = [
        {
            "kernel": row.call.kernel,
            "flow": flow(row.call),
            "settings": settings(row.call),
            "microseconds": round(1e6 * row.seconds, 2),
            "share": round(row.share, 4),
            "rate": row.rate,
            "floor": None if row.floor is None else round(float(row.floor), 2),
        }
        for row in profile.rows
    ]
    return {
        "rows": rows,
        "replay": round(1e6 * profile.seconds, 1),
        "peak": round(profile.peak / 1e9, 1),
        "threads": profile.threads,
        "kernels": {kernel: explained(kernel) for kernel in dict.fromkeys(row.call.kernel for row in profile.rows)},
    }


def explained(name: str) -> list[dict[str, str]]:
    """Formula, NumPy and C++ of each part, for the page.

    Args:
        name: the name of a kernel or of an optimizer's class.

    Raises:
        ValueError: there is no kernel of this name.
    """
    return [
        {"kernel": part.kernel, "formula": part.formula, "numpy": part.numpy, "cpp": part.code}
        for part in explain(name).parts
    ]
