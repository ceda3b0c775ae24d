"""Temporary changes of a model are undone, even after an error."""

import numpy as np
import pytest

from minidnn import nn, training
from minidnn.nn.temporarily import forwards_wrapped, modes_kept

X = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)


class Sum(nn.Module):
    """Two inputs through one layer."""

    def __init__(self):
        self.layer = nn.Dense(6, 3)

    def forward(self, a, b):
        return self.layer(a) + self.layer(b)


def shared():
    layer = nn.Dense(6, 6)
    return nn.Sequential(layer, nn.Dropout(0.5), layer)


def test_modes_are_put_back_part_by_part():
    model = shared()
    model.layers[1].eval()
    with pytest.raises(KeyError), modes_kept(model):
        model.eval()
        assert not model.training
        raise KeyError
    assert model.training and model.layers[0].training and not model.layers[1].training


def test_forwards_are_wrapped_once_and_put_back():
    model, calls = shared(), []
    model.layers[1].forward = own = lambda x: x

    def wrap(path, module, forward):
        def call(*xs):
            calls.append(path)
            return forward(*xs)

        return call

    with pytest.raises(KeyError), forwards_wrapped(model, wrap):
        model(X)
        raise KeyError
    assert calls == ["", "0", "1", "0"]
    assert vars(model.layers[1])["forward"] is own and "forward" not in vars(model.layers[0])


@pytest.mark.parametrize(("model", "inputs"), [(Sum(), (X, X)), (shared(), (X,))], ids=["two inputs", "shared"])
def test_a_guard_takes_any_model(model, inputs):
    with training.nan_guard(model):
        model(*inputs)
        with pytest.raises(training.AnomalyError, match=r"in layer (layer|0)"):
            model(*(np.full_like(x, np.nan) for x in inputs))
    assert "forward" not in vars(model)
