"""Optimizers against the papers' formulas in float64, and their identities."""

import math

import numpy as np
import pytest
from kit.papers_of_optimizers import GRADS, TRAJECTORIES, run, truth

import minidnn
from minidnn import nn, optim, schedules


def test_every_optimizer_has_a_trajectory():
    used = {type(make([nn.Parameter(np.ones(1, np.float32))])).__name__ for make, _ in TRAJECTORIES.values()}
    public = {name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    assert used == public - {"Optimizer"}


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_trajectory_follows_the_formula(name, dtype):
    make, update = TRAJECTORIES[name]
    expected = truth(update)
    # Each of 12 updates rounds a few times; parameters and slots stay below 32, what is divided by above 1 / 32.
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


def at_zero(make, grads=GRADS):
    param = nn.Parameter(np.zeros((4, 5), np.float32))
    optimizer = make([param])
    for grad in grads:
        param.grad = grad
        optimizer.step()
    return param.data


def test_ftrl_without_penalties_is_sgd_at_power_0_and_adagrad_at_power_minus_half():
    plain = at_zero(lambda p: optim.FTRL(p, 0.1, lr_power=0.0, initial_accumulator=0.0))
    assert np.allclose(plain, at_zero(lambda p: optim.SGD(p, 0.1)), rtol=1e-4, atol=1e-5)
    adaptive = at_zero(lambda p: optim.FTRL(p, 0.1, initial_accumulator=0.0))
    assert np.allclose(adaptive, at_zero(lambda p: optim.Adagrad(p, 0.1, eps=1e-20)), rtol=1e-4, atol=1e-5)


def test_ftrl_makes_exact_zeros():
    sparse = run(lambda p: optim.FTRL(p, 0.1, l1=5.0))
    assert 0 < np.count_nonzero(sparse == 0.0) < sparse.size
    assert np.count_nonzero(run(lambda p: optim.FTRL(p, 0.1, l1=1e6))) == 0


def test_ftrl_warm_start_keeps_the_weights():
    """With a gradient of 0 it returns them, soft-thresholded by l1 over the quadratic term."""
    weights = np.array([0.5, -0.3, 0.01, -0.04, 0.0])
    for l1 in (0.0, 0.2):
        param = minidnn.Tensor(weights.copy(), requires_grad=True)
        optimizer = optim.FTRL([param], 0.1, l1=l1, l2=0.05, beta=0.3, initial_accumulator=0.25)
        optimizer.warm_start()
        param.grad = np.zeros(5)
        optimizer.step()
        quadratic = (math.sqrt(0.25) + 0.3) / 0.1 + 2 * 0.05
        expected = np.sign(weights) * np.maximum(np.abs(weights) - l1 / quadratic, 0)
        assert np.allclose(param.data, expected, rtol=1e-12, atol=0)
        assert np.count_nonzero(param.data) == (3 if l1 else 4)


def test_the_first_step_of_adam_has_size_lr_for_any_gradient():
    for size in (1e-3, 1.0, 1e3):
        assert np.allclose(run(lambda p: optim.Adam(p, 0.01), [np.full((4, 5), size, np.float32)]), 0.99, atol=1e-5)


def test_a_parameter_that_joins_late_is_corrected_by_its_own_count():
    early, late = nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.Adam([early], 0.01)
    for _ in range(20):
        early.grad = np.ones(2, np.float32)
        optimizer.step()
    optimizer.add_group([late])
    late.grad = np.ones(2, np.float32)
    optimizer.step()
    assert np.allclose(late.data, 0.99, atol=1e-5)


def test_constraints_are_restored_after_each_step():
    for constraint, axis in ((nn.max_norm(0.5), 0), (nn.max_norm(0.5, axis=1), 1)):
        param = nn.Parameter(np.ones((4, 5), np.float32), constraint=constraint)
        optimizer = optim.Adam([param], 0.1)
        for grad in GRADS:
            param.grad = grad
            optimizer.step()
            assert np.linalg.norm(param.data, axis=axis).max() < 0.5 * (1 + 1e-6)


def test_constraints_by_hand_are_the_same():
    by_hand, param = (nn.Parameter(GRADS[0].copy()) for _ in range(2))
    param.constraint = nn.max_norm(1.0, axis=1)
    for each in (by_hand, param):
        each.grad = GRADS[1]
        optim.SGD([each], 0.1).step()
    nn.max_norm(1.0, axis=1)(by_hand)
    assert by_hand.data.tobytes() == param.data.tobytes()
    # What tf.clip_by_norm(weights, clip_norm=1.0, axes=1) does.
    rows = GRADS[0].astype(np.float64) - 0.1 * GRADS[1]
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(param.data, rows / np.maximum(norms, 1.0), atol=1e-6)


def test_other_constraints():
    param = nn.Parameter(np.array([[3.0, 0.0, -1.0], [4.0, 0.0, 0.0]], np.float32))
    nn.unit_norm()(param)
    assert np.allclose(param.data, [[0.6, 0, -1], [0.8, 0, 0]])
    nn.non_neg()(param)
    assert param.data.min() == 0 and param.version == 2


def with_grads():
    params = [nn.Parameter(np.zeros((2, 2), np.float32)) for _ in range(3)]
    params[0].grad = np.full((2, 2), 3.0, np.float32)  # norm 6
    params[1].grad = np.array([[1.0, -8.0], [0, 4]], np.float32).T  # norm 9, a view
    return params  # the third parameter has no gradient


def test_clip_by_value():
    params = with_grads()
    optim.clip_by_value(params, 2.0)
    assert params[0].grad.tolist() == [[2, 2], [2, 2]] and params[1].grad.tolist() == [[1, 0], [-2, 2]]


def test_clip_by_norm():
    params = with_grads()
    optim.clip_by_norm(params, 6.5)
    assert params[0].grad.tolist() == [[3, 3], [3, 3]]
    assert np.isclose(np.linalg.norm(params[1].grad), 6.5)


def test_clip_by_global_norm():
    params = with_grads()
    assert np.isclose(optim.clip_by_global_norm(params, 1.0), math.sqrt(36 + 81))
    assert np.isclose(sum((p.grad**2).sum() for p in params[:2]), 1.0)
    assert params[2].grad is None
    assert np.isclose(optim.clip_by_global_norm(params, 2.0), 1.0)
    params[0].grad[0, 0] = np.nan
    assert math.isnan(optim.clip_by_global_norm(params, 0.5))


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


def test_a_parameter_without_gradient_is_unchanged():
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


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_state_dict_continues_bit_for_bit(name):
    make, _ = TRAJECTORIES[name]
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


@pytest.mark.parametrize(
    ("key", "values", "kind"),
    [
        ("steps", [-1, 1.5, "1", None, {}, 2**63, float("nan")], "a count"),
        ("0.updates", [-1, 1.5, "1", None, {}], "a count"),
        ("lr.0", [-1, float("nan"), float("inf"), 10**400, "1", None, {}], "a rate"),
        ("0.m", [np.full((4, 5), "x"), np.full((4, 5), None), np.zeros((4, 5), complex)], "numbers"),
    ],
)
def test_load_state_dict_loads_all_or_nothing(key, values, kind):
    optimizer = optim.Adam([nn.Parameter(np.ones((4, 5), np.float32))])
    before = {name: np.array(value) for name, value in optimizer.state_dict().items()}
    for value in values:
        with pytest.raises(ValueError, match=rf"Adam\.load_state_dict: {key} must be {kind}"):
            optimizer.load_state_dict(optimizer.state_dict() | {"steps": 7} | {key: value})
    assert all(np.array_equal(value, before[name]) for name, value in optimizer.state_dict().items())


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
        (lambda: optim.SGD([P], 0.1, nesterov=True), ValueError, "momentum is 0, must be above 0 with nesterov"),
        (lambda: optim.SGD([{"params": [P], "mometum": 0.9}], 0.1), ValueError, "unknown option 'mometum'"),
        (lambda: optim.SGD([{"params": [P], "momentum": 0.9}], 0.1), ValueError, "momentum in the constructor"),
        (lambda: optim.RMSprop([{"params": [P], "momentum": 0.9}]), ValueError, "momentum in the constructor"),
        (lambda: optim.Adagrad([P], initial_accumulator=-1.0), ValueError, "initial_accumulator must be finite"),
        (lambda: optim.Adagrad([P], eps=-1.0), ValueError, "Adagrad: eps must be"),
        (lambda: optim.RMSprop([P], decay=1.0), ValueError, r"RMSprop: decay must be in \[0, 1\)"),
        (lambda: optim.Adam([P], beta1=1.0), ValueError, r"Adam: beta1 must be in \[0, 1\)"),
        (lambda: optim.Adam([P], eps=math.nan), ValueError, "Adam: eps must be"),
        (lambda: optim.AdamW([P], weight_decay=-0.1), ValueError, "AdamW: weight_decay must be"),
        (lambda: optim.NAdam([P], beta2="x"), TypeError, "NAdam: beta2 must be a number, got str"),
        (lambda: optim.Adamax([P], lr=-1), ValueError, "Adamax: lr must be"),
        (lambda: optim.Adadelta([P], rho=1.5), ValueError, "Adadelta: rho must be"),
        (lambda: optim.Lion([P], weight_decay=math.inf), ValueError, "Lion: weight_decay must be"),
        (lambda: optim.FTRL([P], lr=0), ValueError, "FTRL: lr is 0, must be above 0"),
        (lambda: optim.FTRL([P], lr_power=0.5), ValueError, "lr_power must be"),
        (lambda: optim.FTRL([P], l1=-1), ValueError, "FTRL: l1 must be"),
        (lambda: optim.clip_by_norm([P], -1.0), ValueError, "clip_by_norm: limit must be"),
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
