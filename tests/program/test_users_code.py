"""With user code in a run, `fit` gives the bytes of the plain loop, or names the line that it cannot capture."""

import functools
import logging
import random
import re
import sys

import numpy as np
import pytest
from kit import users_callbacks, users_code
from kit.users_case import GLOBALS, Case

import minidnn
from minidnn import data, nn, optim, schedules, training

pytestmark = pytest.mark.compiled

SOURCE = np.random.default_rng(0)
X = SOURCE.normal(size=(44, 6)).astype(np.float32)  # the last batch of an epoch is smaller
EXAMPLES = data.ArrayDataset(X, (X @ SOURCE.normal(size=(6, 3))).argmax(1))


def trained(kinds, seed, capture):
    """The bytes of the weights after some epochs, and the losses."""
    GLOBALS.update(weight=1.0, slope=1.0, epoch=0)
    minidnn.manual_seed(seed)
    random.seed(seed)
    rng = np.random.default_rng(seed)
    case = Case(rng)
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


@pytest.mark.parametrize("kind", users_callbacks.LIBRARY, ids=lambda kind: kind.__name__)
def test_each_change_by_a_callback(kind, caplog):
    plain = trained([kind], 2, capture=False)
    with caplog.at_level(logging.INFO, "minidnn"):
        assert trained([kind], 2, capture="auto") == plain
    assert trained([kind], 2, capture=True) == plain
    assert not caplog.records  # it was captured throughout


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_of_several_kinds(seed):
    rng = np.random.default_rng([seed, 7])
    everything = users_code.OWN + users_callbacks.LIBRARY
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
    """For any number of steps, epochs and evaluations, and any schedule."""
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


@pytest.mark.parametrize("patched", [(nn.Dense, "forward"), (optim.SGD, "update")])
def test_methods_of_the_package_that_somebody_replaces(patched, monkeypatch):
    kind, name = patched
    own, ends = getattr(kind, name), []
    for capture in (False, "auto", True):

        def replace(run, capture=capture):
            if name == "forward":
                monkeypatch.setattr(kind, name, lambda self, x: own(self, x) * 0.5)
            else:
                monkeypatch.setattr(kind, name, lambda self, t, g, lr, o: own(self, t, g, lr * 0.5, o))

        def kinds(rng, case, replace=replace):
            case.each_epoch(lambda run: run.epoch == 1 and replace(run))

        try:
            ends.append(trained([kinds], 4, capture))
        except training.CaptureError:
            assert capture is True
        monkeypatch.undo()
    assert all(end == ends[0] for end in ends)


def test_a_step_may_be_a_method_or_an_object():
    class Trainer:
        def __init__(self):
            minidnn.manual_seed(1)
            self.model, self.weight = nn.Dense(6, 3), 1.0
            self.optimizer = optim.SGD(self.model.parameters(), 0.1)

        def step(self, x, y):
            self.optimizer.zero_grad()
            loss = nn.softmax_cross_entropy(self.model(x), y) * self.weight
            loss.backward()
            self.optimizer.step()
            return loss

        __call__ = step

    def end(made):
        trainer = Trainer()
        run = made(trainer)
        for place in range(4):
            run(X[place * 10 : place * 10 + 10], EXAMPLES.y[place * 10 : place * 10 + 10])
            trainer.weight /= 2
        return trainer.model.kernel.data.tobytes()

    plain = end(lambda trainer: trainer.step)
    assert end(lambda trainer: training.Captured(trainer.step, strict=True)) == plain
    assert end(lambda trainer: training.Captured(trainer, strict=True)) == plain
    assert end(lambda t: training.Captured(functools.partial(Trainer.step, t), strict=True)) == plain


def test_values_in_a_closure_are_not_recorded_again_at_each_step():
    model, recorded = nn.Dense(6, 3), []
    weights, table = minidnn.Tensor(np.float32([1, 2, 3])), np.zeros((60, 60))

    def step(x):
        recorded.append(len(table))
        return model(x) * weights

    captured = training.Captured(step, strict=True)
    for _ in range(6):
        captured(X[:10])
    assert len(recorded) == 1
