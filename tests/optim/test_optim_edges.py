"""Optimizers at the edges of their formulas: steady gradients, rates of 0, tiny and huge gradients."""

import numpy as np
import pytest
from kit.papers_of_optimizers import TRAJECTORIES

from minidnn import data, nn, ops, optim, schedules, training

MAKERS = {name: make for name, (make, _) in TRAJECTORIES.items()} | {
    "rmsprop centered, its defaults": lambda p: optim.RMSprop(p, 0.001, centered=True),
    "rmsprop centered with momentum": lambda p: optim.RMSprop(p, 0.001, centered=True, momentum=0.9),
}
STEADY = np.random.default_rng(0).uniform(0.1, 1, 300).astype(np.float32)


@pytest.mark.parametrize("name", MAKERS)
def test_a_steady_gradient_leaves_finite_parameters(name):
    param = nn.Parameter(np.zeros(300, np.float32))
    optimizer = MAKERS[name]([param])
    for _ in range(1500):
        param.grad = STEADY
        optimizer.step()
    assert np.isfinite(param.data).all()
    assert (param.data < 0).all()  # against the gradient


def test_a_centered_mean_square_is_never_below_0():
    """|step| <= lr * |g| / sqrt(eps), which is the rate where the variance is 0."""
    param = nn.Parameter(np.zeros(300, np.float32))
    optimizer = optim.RMSprop([param], 0.001, eps=1e-4, centered=True)
    for _ in range(1500):
        before = param.data.copy()
        param.grad = STEADY
        optimizer.step()
        assert (np.abs(param.data - before) <= 0.1 * STEADY * (1 + 1e-3)).all()


RATED = {
    type(make([nn.Parameter(np.ones(1, np.float32))])).__name__: type(make([nn.Parameter(np.ones(1, np.float32))]))
    for make in MAKERS.values()
}


@pytest.mark.parametrize("name", MAKERS)
def test_decaying_slots_end_at_0(name):
    """No slot stays denormal, where rounding would keep 0.9 * 4 units at 4 and where arithmetic is slow."""
    param = nn.Parameter(np.ones(300, np.float32))
    optimizer = MAKERS[name]([param])
    param.grad = STEADY
    optimizer.step()
    slots = optimizer.tracks()[0].slots
    for slot in slots.values():
        slot *= np.float32(1e-36)  # so that slots with slow decay reach 0, too
    scaled = {name: slot.copy() for name, slot in slots.items()}
    smallest = np.finfo(np.float32).tiny
    for _ in range(1000):
        param.grad = np.zeros(300, np.float32)
        optimizer.step()
        for key, slot in slots.items():
            kept = slot == scaled[key]  # a sum, or a maximum
            assert (kept | (slot == 0) | (np.abs(slot) >= smallest)).all(), key


@pytest.mark.parametrize("name", RATED)
def test_a_rate_of_0_leaves_the_parameter(name):
    param = nn.Parameter(np.linspace(-1, 1, 300).astype(np.float32))
    before = param.data.copy()
    optimizer = RATED[name]([param], schedules.warm_up(5, schedules.constant(0.1)))
    param.grad = STEADY
    optimizer.step()
    np.testing.assert_array_equal(param.data, before)
    for _ in range(10):
        param.grad = STEADY
        optimizer.step()
        assert np.isfinite(param.data).all()
    assert (param.data != before).any()


@pytest.mark.parametrize("capture", [False, True])
def test_ftrl_warms_up_from_0(capture):
    rng = np.random.default_rng(0)
    examples = data.ArrayDataset(rng.normal(size=(64, 4)).astype(np.float32), rng.integers(0, 3, 64))
    model = nn.Dense(4, 3)
    optimizer = optim.FTRL(model.parameters(), schedules.warm_up(5, schedules.constant(0.1)))
    training.fit(model, examples, optimizer=optimizer, epochs=2, batch_size=16, progress=False, capture=capture)
    assert all(np.isfinite(p.data).all() for p in model.parameters())


def test_the_bias_of_a_far_target_stays_finite():
    """Mean absolute error gives a bias that is far off the same gradient at every step."""
    target, weights = np.full((7, 300), 1e4, np.float32), STEADY
    bias = nn.Parameter(np.zeros(300, np.float32))
    optimizer = optim.RMSprop([bias], 0.001, centered=True)
    for _ in range(300):
        optimizer.zero_grad()
        (ops.sum(ops.abs(bias - target) * weights) / 7).backward()
        optimizer.step()
    assert np.isfinite(bias.data).all()


def test_a_warm_start_needs_a_rate():
    param = nn.Parameter(np.ones(3, np.float32))
    optimizer = optim.FTRL([param], lambda step: 0.1 * step)
    with pytest.raises(ValueError, match="the rate of step 0 is 0"):
        optimizer.warm_start()
    assert not optimizer.tracks()[0].slots["linear"].any()
