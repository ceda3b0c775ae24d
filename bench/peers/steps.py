"""Whole training steps: forward, backward, update."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .workloads import WORKLOADS as CASES
from .workloads import Workload

TITLE, UNIT = "step, microseconds", 1e6
WORKERS = {
    "minidnn": ("minidnn", "minidnn eager"),
    "torch": ("torch compile", "torch eager"),
    "jax": ("jax",),
    "tensorflow": ("tensorflow xla", "tensorflow"),
}
DIGITS = 0
CHECK_AFTER = 5  # steps, then the parameters are compared

__all__ = ["CASES", "CHECK_AFTER", "DIGITS", "TITLE", "UNIT", "WORKERS", "build", "disagreement"]


def build(name: str, workload: Workload) -> tuple[Any, Any]:
    """A function that takes a step, and one that reads the parameters."""
    if name.startswith("minidnn"):
        from . import minidnn_steps

        return minidnn_steps.build(workload, captured=name == "minidnn")
    if name.startswith("torch"):
        from . import torch_steps

        return torch_steps.build(workload, compiled=name == "torch compile")
    if name == "jax":
        from . import jax_steps

        return jax_steps.build(workload)
    from . import tensorflow_steps

    return partial(tensorflow_steps.build, xla=name == "tensorflow xla")(workload)


def disagreement(workload: Workload, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    """How the results differ; empty if they agree."""
    if workload.dropout:
        return ""  # the masks differ between frameworks
    # Adam's steps are as large as its rate, whatever the gradient: if that is near 0, rounding decides the sign.
    shares = [np.isclose(b, a, rtol=1e-2, atol=2e-4).mean() for a, b in zip(mine, theirs, strict=True)]
    return "" if min(shares) > 0.98 else f"only {min(shares):.1%} of an array agree"
