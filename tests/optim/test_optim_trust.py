"""Optimizers whose rates follow norms, and dual averaging: what their classes guarantee beyond the formula."""

import numpy as np
import pytest
from kit.papers_of_optimizers import GRADS, adafactor

from minidnn import data, kernels, manual_seed, nn, optim, schedules, training
from minidnn.optim import making
from minidnn.tensor import Tensor

WEIGHTS = np.array([0.5, -0.3, 0.01, -0.04, 0.0])


def stepped(optimizer, param, grad):
    param.grad = grad
    optimizer.step()
    return param.data


@pytest.mark.parametrize("make", [optim.LARS, optim.LAMB])
def test_a_parameter_of_zeros_takes_the_rate_itself(make):
    """Biases start at zero, where the ratio would be 0 for ever."""
    param = Tensor(np.zeros(4), requires_grad=True)
    grad = np.array([1.0, -2.0, 3.0, 0.5])
    expected = -0.1 * grad if make is optim.LARS else -0.1 * np.sign(grad)
    np.testing.assert_allclose(stepped(make([param], lr=0.1), param, grad), expected, rtol=1e-5)


@pytest.mark.parametrize("make", [optim.LARS, optim.LAMB])
def test_a_gradient_of_zeros_changes_nothing(make):
    param = Tensor(WEIGHTS.copy(), requires_grad=True)
    assert (stepped(make([param], lr=0.1), param, np.zeros(5)) == WEIGHTS).all()


def test_lamb_steps_by_a_fraction_of_the_norm_for_any_gradient():
    for size in (1e-3, 1.0, 1e3):
        param = Tensor(WEIGHTS.copy(), requires_grad=True)
        change = stepped(optim.LAMB([param], lr=0.1, eps=1e-12), param, size * np.arange(1.0, 6.0)) - WEIGHTS
        np.testing.assert_allclose(np.linalg.norm(change), 0.1 * np.linalg.norm(WEIGHTS))


def test_trusted_rate_reads_a_rate_in_memory():
    squares = np.asarray(4.0), np.asarray(9.0)
    options = {"coefficient": 0.5, "weight_decay": 1.0, "eps": 1.0}
    for lr in (0.3, np.asarray(0.3)):
        assert kernels.trusted_rate(*squares, lr=lr, **options) == 0.3 * 0.5 * 2 / (3 + 2 + 1)


def test_dual_averaging_makes_exact_zeros_where_the_mean_gradient_is_small():
    param = nn.Parameter(np.ones(3, np.float32))
    optimizer = optim.AdagradDA([param], 0.1, l1=0.5)
    for _ in range(10):
        stepped(optimizer, param, np.array([0.4, 0.6, -0.6], np.float32))
    assert param.data[0] == 0 and param.data[1] < 0 < param.data[2]


def test_dual_averaging_can_begin_from_weights():
    param = Tensor(WEIGHTS.copy(), requires_grad=True)
    optimizer = optim.AdagradDA([param], 0.1, initial_accumulator=0.25)
    optimizer.warm_start()
    np.testing.assert_allclose(stepped(optimizer, param, np.zeros(5)), WEIGHTS, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adafactor_of_a_vector_keeps_each_mean_square(dtype):
    param, expected, state = nn.Parameter(np.ones(5, dtype)), np.ones(5), {}
    optimizer, formula = optim.Adafactor([param]), adafactor(factored=False)
    for t, grad in enumerate(GRADS):
        stepped(optimizer, param, grad[0].astype(dtype))
        expected = formula(expected, grad[0].astype(np.float64), state, t)
    np.testing.assert_allclose(param.data, expected, rtol=1e-5)


def test_adafactor_keeps_rows_and_columns_of_a_matrix():
    params = nn.Dense(300, 50).parameters()
    optimizer = optim.Adafactor(params)
    for param in params:
        param.grad = np.zeros(param.shape, np.float32)
    optimizer.step()
    shapes = {name: slot.shape for track in optimizer.tracks() for name, slot in track.slots.items()}
    assert shapes == {"row": (300,), "column": (50,), "v": (50,)}
    assert all(np.isfinite(param.data).all() for param in params)


def test_invalid_arguments_are_refused():
    params = [nn.Parameter(np.ones(2, np.float32))]
    with pytest.raises(ValueError, match="initial_accumulator is 0, must be above 0"):
        optim.AdagradDA(params, initial_accumulator=0.0)
    with pytest.raises(ValueError, match="rate of step 0 is 0"):
        optim.AdagradDA(params, schedules.warm_up(5, schedules.constant(0.1))).warm_start()
    for make, name in ((optim.AdagradDA, "l1"), (optim.LARS, "trust_coefficient"), (optim.LAMB, "eps")):
        with pytest.raises(ValueError, match=name):
            make(params, lr=0.1, **{name: -1.0})
    for options in ({"d": 0.5}, {"beta2_decay": 0.1}, {"eps": 1e-3}, {"eps": (0.0, 1.0)}, {"eps": (None, -1.0)}):
        with pytest.raises((TypeError, ValueError), match=next(iter(options))):
            optim.Adafactor(params, **options)
    with pytest.raises(ValueError, match="momentum"):
        optim.LARS(params, 0.1, momentum=1.0)


@pytest.mark.parametrize("name", ["adagrad_da", "radam", "lars", "lamb", "adafactor"])
def test_a_resumed_run_ends_with_the_same_bytes(name, tmp_path):
    """Also with captured steps, whose programs must recompute norms and counts."""

    def fit(epochs, **options):
        manual_seed(3)
        model = nn.Sequential(nn.Dense(6, 5, "relu"), nn.Dense(5, 3))
        optimizer = making.MAKERS[name](model.parameters(), lr=schedules.exponential(0.1, 0.5, 5))
        train = data.ArrayDataset(GRADS[0].ravel()[np.arange(240) % 20].reshape(40, 6), np.arange(40) % 3)
        training.fit(model, train, optimizer=optimizer, epochs=epochs, batch_size=10, progress=False, **options)
        state = {**model.state_dict(), **optimizer.state_dict()}
        return {key: np.asarray(value).tobytes() for key, value in state.items()}

    whole = fit(3, capture=False)
    assert fit(3) == whole
    fit(2, callbacks=[training.Checkpoint(tmp_path)])
    assert fit(3, callbacks=[training.Checkpoint(tmp_path, overwrite=True)], resume=tmp_path) == whole
