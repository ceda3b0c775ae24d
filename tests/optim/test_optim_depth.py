"""Learning rates by depth."""

import math

import numpy as np
import pytest

from minidnn import nn, optim, schedules


def deep():
    return nn.Sequential(
        nn.Dropout(0.2),
        nn.Dense(6, 5, name="hidden1"),
        nn.BatchNorm(5, name="norm1"),
        nn.Dense(5, 4, name="hidden2"),
        nn.Dense(4, 3, name="outputs"),
    )


def test_rates_fall_with_the_distance_from_the_outputs():
    model = deep()
    groups = optim.by_depth(model, lr=0.08, factor=0.5)
    assert [group["lr"] for group in groups] == pytest.approx([0.02, 0.04, 0.08])
    assert [len(group["params"]) for group in groups] == [4, 2, 2]  # the normalization goes with its layer
    before = {name: value.copy() for name, value in model.state_dict().items()}
    optimizer = optim.SGD(groups, lr=0.08)
    for param in model.parameters():
        param.grad = np.ones_like(param.data)
    optimizer.step()
    for name, lr in (("hidden1.kernel", 0.02), ("norm1.gamma", 0.02), ("hidden2.bias", 0.04), ("outputs.kernel", 0.08)):
        np.testing.assert_allclose(before[name] - model.state_dict()[name], lr, rtol=1e-4)


def test_rates_by_depth_follow_a_schedule():
    schedule = schedules.exponential(0.08, 0.1, 10)
    lower, *_, last = optim.by_depth(deep(), schedule, factor=0.5)
    assert [lower["lr"](step) for step in (0, 10)] == pytest.approx([0.02, 0.002])
    assert last["lr"](10) == pytest.approx(0.008)


def test_frozen_layers_have_the_rate_of_their_depth():
    model = deep()
    for param in model.layers[3].parameters():
        param.requires_grad = False
    optimizer = optim.SGD(optim.by_depth(model, lr=1.0, factor=0.5), lr=1.0, momentum=0.9)
    assert [group.lr for group in optimizer.groups] == [0.25, 0.5, 1.0]
    assert [bool(track.slots) for track in optimizer.tracks()] == [True] * 4 + [False] * 2 + [True] * 2


@pytest.mark.parametrize("factor", [0, -1, 1.5, math.nan, "half"])
def test_rates_by_depth_refuse_a_factor(factor):
    with pytest.raises((ValueError, TypeError), match="by_depth: factor"):
        optim.by_depth(deep(), 0.1, factor)


def test_rates_by_depth_refuse_a_model_without_parameters():
    with pytest.raises(ValueError, match="by_depth: no part"):
        optim.by_depth(nn.Sequential(nn.Dropout(0.5)), 0.1)
