"""A NaN among the logits makes the loss NaN, whatever the label, so that `fit` stops before it changes a weight."""

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, data, nn, ops, optim, training

BACKENDS = [pytest.param("compiled", marks=pytest.mark.compiled), "reference"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("classes", [2, 10, 16, 33])
def test_every_place_and_label(backend, classes):
    with minidnn.use_backend(backend):
        for place in range(classes):
            logits = np.linspace(-1, 1, classes, dtype=np.float32)[np.newaxis].repeat(classes, axis=0)
            logits[:, place] = np.nan
            assert np.isnan(nn.softmax_cross_entropy(Tensor(logits), np.arange(classes)).item())
            assert np.isnan(ops.log_softmax(Tensor(logits)).data).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("capture", [False, "auto"])
def test_fit_stops_before_a_weight_becomes_nan(backend, capture):
    rng = np.random.default_rng(0)
    examples = data.ArrayDataset(rng.normal(size=(64, 4)).astype(np.float32), rng.integers(0, 2, 64))
    with minidnn.use_backend(backend):
        model = nn.Sequential(nn.Dense(4, 8, "relu"), nn.Dense(8, 3))
        model[1].bias.data[2] = np.nan  # a unit that is the label of no example
        with pytest.raises(training.NonFiniteError):
            training.fit(
                model,
                examples,
                optimizer=optim.SGD(model.parameters(), 0.1),
                epochs=1,
                batch_size=16,
                progress=False,
                capture=capture,
            )
        assert np.isfinite(model[0].kernel.data).all()
        assert np.isnan(training.evaluate(model, examples).loss)
