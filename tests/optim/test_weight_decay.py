"""Weight decay as in PyTorch: coupled, as part of the gradient; AdamW and Lion decouple it."""

import numpy as np
import pytest
from kit.capturing import dense, run

from minidnn import nn, optim

COUPLED = ["SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "NAdam", "Adamax", "RAdam"]
START = np.linspace(-1, 1, 7)


def steps(name, dtype, decay, by_hand):
    param = nn.Parameter(START.astype(dtype))
    options = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(optim, name)([param], lr=0.01, weight_decay=0.0 if by_hand else decay, **options)
    for step in range(5):
        param.grad = np.cos(START * (step + 1)).astype(dtype)
        if by_hand:
            param.grad = param.grad + param.data * dtype(decay)
        optimizer.step()
    return param.data


@pytest.mark.parametrize("name", COUPLED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_added_to_the_gradient(name, dtype):
    assert steps(name, dtype, 0.1, by_hand=False).tobytes() == steps(name, dtype, 0.1, by_hand=True).tobytes()
    assert steps(name, dtype, 0.0, by_hand=False).tobytes() != steps(name, dtype, 0.1, by_hand=False).tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("name", COUPLED)
def test_it_is_captured(name):
    def make(params):
        return getattr(optim, name)(params, lr=0.01, weight_decay=0.1)

    assert run(dense, make) == run(dense, make, captured=False)


def test_a_parameter_group_may_have_its_own_weight_decay():
    a, b = nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.SGD([{"params": [a], "weight_decay": 0.5}, {"params": [b]}], lr=1.0)
    a.grad = b.grad = np.zeros(2, np.float32)
    optimizer.step()
    assert a.data.tolist() == [0.5, 0.5] and b.data.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("decay", [-0.1, np.nan, "0.1", True])
def test_invalid_weight_decay_is_refused(decay):
    with pytest.raises((TypeError, ValueError), match="weight_decay"):
        optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=0.1, weight_decay=decay)


def test_optimizers_print_themselves():
    optimizer = optim.Adam(nn.Dense(3, 2).parameters(), weight_decay=0.1)
    assert repr(optimizer) == "Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.1; 2 parameters)"
