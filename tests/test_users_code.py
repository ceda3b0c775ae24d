"""Whatever a user puts into a run, `fit` leaves the bytes of the plain loop, or says which line it cannot capture."""

import logging
import random
import re
import sys

import numpy as np
import pytest
import users_code

import minidnn
from minidnn import data, nn, optim, schedules, training

pytestmark = pytest.mark.compiled

SOURCE = np.random.default_rng(0)
X = SOURCE.normal(size=(44, 6)).astype(np.float32)  # the last batch of an epoch is smaller
EXAMPLES = data.ArrayDataset(X, (X @ SOURCE.normal(size=(6, 3))).argmax(1))


def trained(kinds, seed, capture):
    """The bytes of the weights after some epochs, and the losses."""
    users_code.GLOBALS.update(weight=1.0, slope=1.0, epoch=0)
    minidnn.manual_seed(seed)
    random.seed(seed)
    rng = np.random.default_rng(seed)
    case = users_code.Case(rng)
    for kind in kinds:
        kind(rng, case)
    model = nn.Sequential(*case.layers)
    history = training.fit(
        model,
        EXAMPLES,
        loss=case.loss,
        optimizer=case.optimizer(model.parameters()),
        epochs=3,
        batch_size=16,
        callbacks=case.callbacks,
        progress=False,
        capture=capture,
    )
    return [value.tobytes() for value in model.state_dict().values()], history["loss"]


@pytest.mark.parametrize("kind", users_code.OWN, ids=lambda kind: kind.__name__)
def test_each_kind_of_own_code(kind, caplog):
    plain = trained([kind], 1, capture=False)
    with caplog.at_level(logging.INFO, "minidnn"):
        assert trained([kind], 1, capture="auto") == plain
    assert len(re.findall("the step runs as Python, it is not captured", caplog.text)) == 1
    try:
        assert trained([kind], 1, capture=True) == plain
    except training.CaptureError as error:
        assert re.search(r"users_code\.py:\d+", str(error)), error


@pytest.mark.parametrize("kind", users_code.LIBRARY, ids=lambda kind: kind.__name__)
def test_each_change_by_a_callback(kind, caplog):
    plain = trained([kind], 2, capture=False)
    with caplog.at_level(logging.INFO, "minidnn"):
        assert trained([kind], 2, capture="auto") == plain
    assert trained([kind], 2, capture=True) == plain
    assert not caplog.records  # it was captured throughout


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_of_several_kinds(seed):
    rng = np.random.default_rng([seed, 7])
    everything = users_code.OWN + users_code.LIBRARY
    kinds = [everything[i] for i in rng.choice(len(everything), size=int(rng.integers(2, 5)), replace=False)]
    try:
        plain = trained(kinds, seed, capture=False)
    except Exception as error:  # two kinds that do not go together
        pytest.skip(f"{[kind.__name__ for kind in kinds]} do not go together: {error}")
    assert trained(kinds, seed, capture="auto") == plain
    try:
        assert trained(kinds, seed, capture=True) == plain
    except training.CaptureError as error:
        assert re.search(r"users_code\.py:\d+", str(error)), error


def test_fit_records_each_shape_once(monkeypatch):
    """However many steps, epochs and evaluations there are, and however the rate moves."""
    recorded = []
    captures = sys.modules["minidnn.training.capture"]
    record = captures.record_program
    monkeypatch.setattr(captures, "record_program", lambda *given: (recorded.append(1), record(*given))[1])
    model = nn.Sequential(nn.Dense(6, 4, "relu"), nn.BatchNorm(4), nn.Dropout(0.2), nn.Dense(4, 3))
    optimizer = optim.Adam(model.parameters(), schedules.exponential(0.01, 0.5, 3))
    valid = EXAMPLES[:10]
    training.fit(model, EXAMPLES, optimizer=optimizer, epochs=5, batch_size=16, valid=valid, progress=False)
    assert len(recorded) == 2  # 44 examples are two batches of 16 and one of 12


def test_a_captured_step_keeps_a_few_programs():
    model = nn.Dense(6, 3)
    captured = training.Captured(lambda x: model(x), strict=True)
    for n in range(1, 30):
        captured(X[:n])
    assert len(captured._programs) == 8
    captured(X[:25])
    assert captured.program.inputs[0].shape == (25, 6)
