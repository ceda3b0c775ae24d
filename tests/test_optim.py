"""Optimizers against the papers' formulas in float64, and their identities."""

import math

import numpy as np
import pytest

import minidnn
from minidnn import nn, optim, schedules

GRADS = [minidnn.Generator(3, stream).normal((4, 5)) for stream in range(12)]


def run(make, grads=GRADS, dtype=np.float32):
    param = nn.Parameter(np.ones((4, 5), dtype))
    optimizer = make([param])
    for grad in grads:
        param.grad = grad.astype(dtype)
        optimizer.step()
    return param.data


def truth(update):
    """The parameter after the same gradients, by the formula in float64."""
    param, state = np.ones((4, 5)), {}
    for t, grad in enumerate(GRADS):
        param = update(param, grad.astype(np.float64), state, t)
    return param


def polyak(param, grad, state, t):
    state["v"] = 0.9 * state.get("v", 0) + grad
    return param - 0.1 * state["v"]


def nesterov(param, grad, state, t):
    state["v"] = 0.9 * state.get("v", 0) + grad
    return param - 0.1 * (grad + 0.9 * state["v"])


TRAJECTORIES = {
    "plain": (lambda p: optim.SGD(p, 0.1), lambda param, grad, state, t: param - 0.1 * grad),
    "momentum": (lambda p: optim.SGD(p, 0.1, momentum=0.9), polyak),
    "nesterov": (lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True), nesterov),
    "schedule": (
        lambda p: optim.SGD(p, schedules.exponential(0.1, 0.5, 3)),
        lambda param, grad, state, t: param - 0.1 * 0.5 ** (t / 3) * grad,
    ),
}


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_trajectory_follows_the_formula(name, dtype):
    make, update = TRAJECTORIES[name]
    expected = truth(update)
    # Each of 12 updates rounds a few times; |param| and |velocity| stay below 32.
    tolerance = 12 * 8 * 32 * np.finfo(dtype).eps
    assert np.abs(run(make, dtype=dtype) - expected).max() < tolerance


def test_momentum_zero_is_plain_descent_bit_for_bit():
    param = run(lambda p: optim.SGD(p, 0.1))
    with_slot = np.ones((4, 5), np.float32)
    for grad in GRADS:
        minidnn.kernels.momentum_step(with_slot, grad, np.zeros_like(grad), lr=0.1, momentum=0.0)
    assert param.tobytes() == with_slot.tobytes()


def test_terminal_velocity_is_ten_times_plain_descent():
    constant = [np.ones((4, 5), np.float32)] * 400
    before = run(lambda p: optim.SGD(p, 0.01, momentum=0.9), constant[:-1])
    after = run(lambda p: optim.SGD(p, 0.01, momentum=0.9), constant)
    assert np.allclose(before - after, 0.01 / (1 - 0.9), rtol=1e-3)


def test_textbook_form_agrees_while_the_rate_is_constant():
    m, param = 0.0, np.ones((4, 5))
    for grad in GRADS:
        m = 0.9 * m + 0.1 * grad.astype(np.float64)
        param = param - m
    assert np.allclose(run(lambda p: optim.SGD(p, 0.1, momentum=0.9)), param, atol=1e-5)


def test_groups_have_their_own_rates_and_options():
    fast, slow = nn.Parameter(np.zeros(3, np.float32)), nn.Parameter(np.zeros(3, np.float32))
    optimizer = optim.SGD([{"params": [fast], "lr": 1.0}, {"params": [slow], "momentum": 0.5}], 0.25, momentum=0.0625)
    for _ in range(2):
        for param in (fast, slow):
            param.grad = np.ones(3, np.float32)
        optimizer.step()
    assert np.array_equal(fast.data, np.full(3, -(1 + 1.0625), np.float32))
    assert np.array_equal(slow.data, np.full(3, -0.25 * (1 + 1.5), np.float32))


def test_a_parameter_without_gradient_stays():
    moved, still = nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.SGD([moved, still], 0.5, momentum=0.9)
    moved.grad = np.ones(2, np.float32)
    optimizer.step()
    assert moved.data.tolist() == [0.5, 0.5] and still.data.tolist() == [1.0, 1.0]
    optimizer.zero_grad()
    assert moved.grad is None


def test_gradients_that_are_views_are_taken():
    param = nn.Parameter(np.ones((4, 5), np.float32))
    param.grad = np.ones((5, 4), np.float32).T
    optim.SGD([param], 1.0).step()
    assert np.all(param.data == 0)


def test_state_dict_continues_bit_for_bit():
    def make(params):
        return optim.SGD(params, schedules.exponential(0.1, 0.5, 3), momentum=0.9)

    whole = run(make)
    param = nn.Parameter(np.ones((4, 5), np.float32))
    optimizer = make([param])
    for grad in GRADS:
        param.grad = grad
        optimizer.step()
        state, optimizer = optimizer.state_dict(), make([param])
        optimizer.load_state_dict(state)
    assert param.data.tobytes() == whole.tobytes()
    assert optimizer.steps == len(GRADS)


def test_load_state_dict_refuses_another_optimizer():
    optimizer = optim.SGD([nn.Parameter(np.ones(3, np.float32))], 0.1, momentum=0.9)
    state = optimizer.state_dict()
    del state["0.updates"]
    state |= {"0.velocity": np.zeros(4), "1.velocity": np.zeros(3)}
    with pytest.raises(ValueError, match=r"missing 0\.updates; unexpected 1\.velocity; 0\.velocity has shape \(4,\)"):
        optimizer.load_state_dict(state)


P = nn.Parameter(np.ones(3, np.float32))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD([], 0.1), ValueError, "params is empty"),
        (lambda: optim.SGD([P, P], 0.1), ValueError, "twice"),
        (lambda: optim.SGD([np.ones(3)], 0.1), TypeError, r"params\[0\]"),
        (lambda: optim.SGD([P * 2], 0.1), TypeError, "leaf"),
        (lambda: optim.SGD([minidnn.Tensor([1.0])], 0.1), TypeError, "requires a gradient"),
        (lambda: optim.SGD([P], -0.1), ValueError, "lr must be finite and at least 0"),
        (lambda: optim.SGD([P], math.nan), ValueError, "lr must be"),
        (lambda: optim.SGD([P], math.inf), ValueError, "lr must be"),
        (lambda: optim.SGD([P], "fast"), TypeError, "lr must be a number"),
        (lambda: optim.SGD([P], 0.1, momentum=1.0), ValueError, r"momentum must be in \[0, 1\)"),
        (lambda: optim.SGD([P], 0.1, nesterov=True), ValueError, "nesterov needs a momentum"),
        (lambda: optim.SGD([{"params": [P], "mometum": 0.9}], 0.1), ValueError, "unknown option 'mometum'"),
    ],
)
def test_optimizers_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_optimizer_shows_the_rate_of_the_next_step():
    optimizer = optim.SGD([nn.Parameter(np.ones(1, np.float32))], schedules.exponential(1.0, 0.5, 1))
    assert optimizer.lr == 1.0
    optimizer.step()
    assert optimizer.lr == 0.5
    optimizer.lr = 0.125
    assert optimizer.lr == 0.125
