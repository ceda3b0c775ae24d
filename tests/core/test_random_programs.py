"""Random programs of every public op: gradients against central differences, float32 against float64.

``MINIDNN_PROGRAMS=20000 pytest tests/core/test_random_programs.py`` runs that many.
"""

import os

import numpy as np
import pytest
from kit.random_calls import RULES
from kit.random_programs import Program, random_program

from minidnn import Tensor, ops

PROGRAMS = int(os.environ.get("MINIDNN_PROGRAMS", "1000"))
PARTS = 10
EPS = (1e-5, 1e-6, 1e-4)
"""Steps of a central difference. Its error is of the order of ``eps**2`` and ``1e-16 / eps``: one of them is small."""


def test_every_op_has_a_rule():
    assert set(RULES) == set(ops.__all__)


@pytest.mark.parametrize("part", range(PARTS))
def test_random_programs(part):
    for seed in range(part, PROGRAMS, PARTS):
        check(random_program(seed, RULES), seed)


def test_every_op_is_drawn():
    """Each op is the first step of about every 70th program; some need a suitable operand."""
    drawn = [random_program(seed, RULES).steps for seed in range(2 * len(RULES))]
    assert {step.op for steps in drawn for step in steps} == set(RULES)


def check(program: Program, seed: int) -> None:
    where = f"program {seed}:\n{program}"
    exact = gradients(program, np.float64, where)
    if exact is None:
        return
    single = gradients(program, np.float32, where)
    rng = np.random.default_rng(seed)
    for place, gradient in exact.items():
        assert np.isfinite(gradient).all(), f"v{place} has the gradient {gradient} in {where}"
        agrees_with_differences(program, place, gradient, rng, where)
    # The tolerance: several times the effect of an error of float32's EPS after every op.
    noisy = [gradients(program, np.float64, where, (rng, np.finfo(np.float32).eps)) for _ in range(3)]
    for place, gradient in exact.items():
        moved = max(np.abs(other[place] - gradient).max(initial=0) for other in noisy)
        largest = np.abs(gradient).max(initial=0)
        off = np.abs(single[place] - gradient).max(initial=0)
        assert off <= 30 * moved + 1e-5 * (1 + largest), f"v{place} is off by {off} in float32, {moved} moved, {where}"


def gradients(program, dtype, where, noise=None):
    """The gradients of the trained leaves by index; None if the score does not depend on a leaf."""
    tensors, score = program.run(dtype, noise=noise)
    for tensor in tensors:
        assert tensor.dtype in (dtype, bool), where
    if not score.requires_grad:
        return None
    score.backward()
    found = {}
    for place in program.trained:
        grad = tensors[place].grad
        if grad is not None:
            assert grad.dtype == dtype and grad.shape == tensors[place].shape, f"v{place} in {where}"
        found[place] = np.zeros(tensors[place].shape) if grad is None else grad
    return found


def agrees_with_differences(program, place, gradient, rng, where):
    values = program.entries[place].values
    indices = list(np.ndindex(values.shape))
    if len(indices) > 12:
        indices = [indices[i] for i in rng.choice(len(indices), 12, replace=False)]
    largest = np.abs(gradient).max(initial=0)
    for index in indices:
        found = []
        for eps in EPS:
            numeric, rounding = difference(program, place, values, index, eps)
            if abs(gradient[index] - numeric) <= 1e-6 * (1 + largest) + rounding:
                break
            found.append(numeric)
        else:
            raise AssertionError(
                f"v{place}{list(index)}: backward gives {gradient[index]}, differences {found}, {where}"
            )


def difference(program, place, values, index, eps):
    """The central difference, and its rounding error."""
    ends = []
    for side in (eps, -eps):
        changed = values.copy()
        changed[index] += side
        ends.append(program.run(replaced={place: changed})[1].item())
    return (ends[0] - ends[1]) / (2 * eps), 1e-14 * max(abs(end) for end in ends) / eps


def test_a_wrong_rule_is_found(monkeypatch):
    """The test detects an op that loses its gradient for inputs with one axis."""
    monkeypatch.setattr(ops, "negative", lambda x: x * -1.0 if x.ndim != 1 else Tensor(-x.data))
    with pytest.raises(AssertionError, match=r"(?s)backward gives .*negative\(v"):
        for seed in range(PROGRAMS):
            check(random_program(seed, RULES), seed)
