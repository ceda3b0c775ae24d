"""Means and variances of batches whose mean is far larger than their deviation, against float64."""

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, kernels, nn, ops

RATIOS = [0.0, 1e2, 1e4, 1e5, 1e6, 1e7]
BACKENDS = [pytest.param("compiled", marks=pytest.mark.compiled), "reference"]


def far(ratio, *shape):
    """Numbers with standard deviation 1 and a mean of that size; float32 spaces them by up to 1."""
    rng = np.random.default_rng(int(ratio) + shape[0])
    return (rng.standard_normal(shape) + ratio).astype(np.float32)


@pytest.mark.parametrize("rows", [2, 50, 3000])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_batch_variance(backend, ratio, rows):
    x = far(ratio, rows, 37)
    ones = np.ones(37, np.float32)
    with minidnn.use_backend(backend):
        _, mean, var = kernels.batch_norm(x, ones, ones, 1e-3)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(var, exact.var(axis=0), rtol=1e-4)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_row_variance(backend, ratio):
    x = far(ratio, 20, 1037)
    ones = np.ones(1037, np.float32)
    with minidnn.use_backend(backend):
        _, mean, var = kernels.layer_norm(x, ones, ones, 1e-3)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(var, exact.var(axis=1), rtol=1e-4)


def test_running_statistics_far_from_0():
    layer, x = nn.BatchNorm(7, momentum=0.0), far(1e5, 64, 7)
    layer(Tensor(x))
    exact = x.astype(np.float64)
    np.testing.assert_allclose(layer.running_mean.data, exact.mean(axis=0), rtol=2e-7)
    np.testing.assert_allclose(layer.running_var.data, exact.var(axis=0), rtol=1e-4)


@pytest.mark.parametrize("value", [0.1, 1e5 + 0.3, -3e7])
def test_a_constant_has_no_variance_and_never_one_below_0(value):
    x = np.full((50, 5), value, np.float32)
    _, mean, var = kernels.batch_norm(x, np.ones(5, np.float32), np.zeros(5, np.float32), 1e-3)
    assert (var >= 0).all()
    assert (var <= (1e-6 * value) ** 2).all()
    np.testing.assert_allclose(mean, x[0], rtol=2e-7)


def test_a_batch_of_one_becomes_beta_and_moves_no_running_statistic():
    layer = nn.BatchNorm(3)
    layer.beta.data[...] = [1, 2, 3]
    layer(Tensor(far(5, 10, 3)))
    before = layer.running_mean.data.copy(), layer.running_var.data.copy()
    x = Tensor(far(9, 1, 3), requires_grad=True)
    y = layer(x)
    np.testing.assert_array_equal(y.data, [[1, 2, 3]])
    np.testing.assert_array_equal(layer.running_mean.data, before[0])
    np.testing.assert_array_equal(layer.running_var.data, before[1])
    ops.sum(y * y).backward()
    np.testing.assert_array_equal(x.grad, np.zeros((1, 3)))


def test_a_last_batch_of_one_leaves_the_running_variance_right():
    """After many passes over batches of 50 and one of 1, the running variance is that of the batches of 50."""
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm(4, momentum=0.9)
    for _ in range(200):
        layer(Tensor(rng.standard_normal((50, 4)).astype(np.float32)))
        layer(Tensor(rng.standard_normal((1, 4)).astype(np.float32)))
    # The variance of 50 has mean 49 / 50 and deviation 0.2; the average of about 19 of them deviates by 0.046.
    assert np.abs(layer.running_var.data - 0.98).max() < 5 * 0.046


def test_a_momentum_of_1_moves_no_running_statistic():
    layer = nn.BatchNorm(3, momentum=1.0)
    layer(Tensor(far(5, 10, 3)))
    np.testing.assert_array_equal(layer.running_mean.data, np.zeros(3))
    np.testing.assert_array_equal(layer.running_var.data, np.ones(3))
    with pytest.raises(ValueError, match=r"BatchNorm: momentum must be in \[0, 1\], got 1.5"):
        nn.BatchNorm(3, momentum=1.5)
