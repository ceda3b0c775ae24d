"""Captured steps give the same bytes as the plain steps, or raise."""

import logging

import numpy as np
import pytest
from kit.capturing import BATCHES, everything, run, simple

import minidnn
from minidnn import data, kernels, nn, ops, optim, training

pytestmark = pytest.mark.compiled


def dropout():
    return nn.Sequential(nn.Dropout(0.3), nn.Dense(8, 5, "relu"), nn.Dropout(0.5), nn.Dense(5, 4))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bytes_at_every_thread_count(threads):
    kernels.set_num_threads(threads)
    assert run(dropout) == run(dropout, captured=False)


def test_capturing_is_one_step():
    model, optimizer, step = simple()
    training.capture(step, *BATCHES[0])
    captured = everything(model, optimizer)
    model, optimizer, step = simple()
    step(*BATCHES[0])
    assert everything(model, optimizer) == captured and optimizer.steps == 1


def test_a_batch_of_another_shape_is_recorded_anew():
    batches = [BATCHES[0], (BATCHES[1][0][:4], BATCHES[1][1][:4]), BATCHES[2], (BATCHES[3][0][:4], BATCHES[3][1][:4])]
    ends = []
    for captured in (True, False):
        model, optimizer, step = simple()
        step = training.Captured(step, strict=True) if captured else step
        losses = [step(x, y).item() for x, y in batches]
        ends.append((losses, everything(model, optimizer)))
    assert ends[0] == ends[1]


def test_parameters_that_were_replaced_are_found():
    model, _, step = simple()
    captured = training.capture(step, *BATCHES[0])
    fresh = {path: np.zeros_like(value) for path, value in model.state_dict().items()}
    model.load_state_dict(fresh, assign=True)
    assert captured(*BATCHES[1]).item() == pytest.approx(np.log(4), rel=1e-6)


def test_a_layer_that_is_frozen_later_is_unchanged():
    model, _, step = simple()
    captured = training.capture(step, *BATCHES[0])
    kernel = model.layers[0].kernel
    kernel.requires_grad, kernel.grad = False, None
    before = kernel.data.copy()
    captured(*BATCHES[1])
    assert kernel.data.tobytes() == before.tobytes()


def test_labels_of_a_replay_are_checked():
    model, _, step = simple()
    captured = training.capture(step, *BATCHES[0])
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"labels\[2\] is 9, must be in \[0, 4\)"):
        captured(BATCHES[1][0], np.array([0, 1, 9, 0, 0, 0]))
    assert all(before[path].tobytes() == value.tobytes() for path, value in model.state_dict().items())


def test_values_computed_by_numpy_are_refused():
    model, _, _ = simple()

    def step(x, y):
        loss = nn.softmax_cross_entropy(model(x * np.float32(2)), y)
        loss.backward()
        return loss

    with pytest.raises(training.CaptureError, match=r"x.__mul__, computed with NumPy.*test_capture.py:\d+: loss = "):
        training.capture(step, *BATCHES[0])


def test_hidden_state_is_detected():
    model, _, _ = simple()
    shift = np.zeros((6, 8), np.float32)

    def step(x, y):
        shift[...] = x  # without a kernel
        loss = nn.softmax_cross_entropy(model(ops.add(minidnn.Tensor(x), minidnn.Tensor(shift))), y)
        loss.backward()
        return loss

    with pytest.raises(training.CaptureError, match=r"x.__array__, computed with NumPy.*shift\[\.\.\.\] = x"):
        training.capture(step, *BATCHES[0])


def test_results_must_be_tensors_of_kernels():
    model, _, _ = simple()
    with pytest.raises(training.CaptureError, match="must return tensors"):
        training.capture(lambda x, y: 1.0, *BATCHES[0])
    with pytest.raises(training.CaptureError, match=r"Tensor.data uses a number of one step"):
        training.capture(lambda x, y: minidnn.Tensor(model(x).data.max()), *BATCHES[0])
    with pytest.raises(training.CaptureError, match=r"a result of shape \(3,\) was not computed by the step's kernels"):
        training.capture(lambda x, y: minidnn.Tensor(np.ones(3, np.float32)), *BATCHES[0])


def test_the_reference_backend_is_refused():
    _, _, step = simple()
    with minidnn.use_backend("reference"), pytest.raises(training.CaptureError, match="reference backend"):
        training.capture(step, *BATCHES[0])


def test_an_error_while_recording_undoes_all_changes():
    model, _, step = simple()

    def failing(x, y):
        model(x)
        raise ArithmeticError("mine")

    with pytest.raises(ArithmeticError, match="mine"):
        training.capture(failing, *BATCHES[0])
    training.capture(step, *BATCHES[0])


def test_a_watcher_sees_every_op():
    model, _, step = simple()
    captured = training.capture(step, *BATCHES[0])
    with training.nan_guard(model), pytest.raises(training.AnomalyError):
        captured(np.full((6, 8), np.nan, np.float32), BATCHES[0][1])


def test_fit_captures_and_leaves_the_same_bytes(caplog):
    mnist = data.load_mnist().train[:330]  # the last batch is smaller
    ends = []
    for capture in (True, False):
        minidnn.manual_seed(3)
        model = nn.Sequential(nn.Dropout(0.2), nn.Dense(784, 20, "elu"), nn.BatchNorm(20), nn.Dense(20, 10))
        optimizer = optim.Adam(model.parameters())
        with caplog.at_level(logging.INFO, "minidnn"):
            history = training.fit(
                model, mnist, optimizer=optimizer, epochs=2, batch_size=50, progress=False, capture=capture
            )
        ends.append((everything(model, optimizer), history["loss"], history["accuracy"]))
    assert ends[0] == ends[1] and not caplog.records


def test_fit_says_why_it_does_not_capture(caplog):
    mnist = data.load_mnist().train[:100]

    class Doubled(nn.Dense):
        def forward(self, x):
            return super().forward(minidnn.Tensor(x.data * np.float32(2)))

    model = Doubled(784, 10)
    with caplog.at_level(logging.INFO, "minidnn"):
        optimizer = optim.SGD(model.parameters(), 0.1)
        training.fit(model, mnist, optimizer=optimizer, epochs=1, batch_size=50, progress=False)
    assert "the step runs as Python" in caplog.text and "Doubled, a class of yours" in caplog.text


def test_options_of_the_optimizer_may_change():
    ends = []
    for captured in (True, False):
        model, optimizer, step = simple()
        step = training.Captured(step, strict=True) if captured else step
        for momentum, (x, y) in zip((0.9, 0.9, 0.5, 0.5, 0.5), BATCHES, strict=True):
            optimizer.groups[0].options["momentum"] = momentum
            step(x, y)
        ends.append(everything(model, optimizer))
    assert ends[0] == ends[1]


def test_attributes_of_the_model_may_change():
    ends = []
    for captured in (True, False):
        minidnn.manual_seed(2)
        model = dropout()
        optimizer = optim.SGD(model.parameters(), 0.1)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            nn.softmax_cross_entropy(model(x), y).backward()
            optimizer.step()

        run = training.Captured(step, strict=True, model=model) if captured else step
        for rate, (x, y) in zip((0.3, 0.3, 0.6, 0.6, 0.0), BATCHES, strict=True):
            model.layers[0].rate = rate
            run(x, y)
        model.eval()
        run(*BATCHES[0])
        ends.append(everything(model, optimizer))
    assert ends[0] == ends[1]


def test_printing_a_model_does_not_record_again():
    model, _, step = simple()
    recorded = []
    captured = training.capture(lambda x, y: (recorded.append(1), step(x, y))[1], *BATCHES[0], model=model)
    before = len(recorded)
    training.evaluate(model, data.ArrayDataset(BATCHES[0][0], BATCHES[0][1]))
    captured(*BATCHES[1])
    assert len(recorded) == before


def test_targets_of_a_replay_are_checked():
    model, optimizer, _ = simple()

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.multiclass_hinge(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    captured = training.capture(step, *BATCHES[0])
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"labels must be in \[0, 4\)"):
        captured(BATCHES[1][0], np.array([0, 1, 9, 0, 0, 0]))
    assert all(before[path].tobytes() == value.tobytes() for path, value in model.state_dict().items())


def test_a_number_that_changes_is_followed_by_fit():
    mnist, ends = data.load_mnist().train[:100], []
    for capture in (True, False):
        minidnn.manual_seed(1)
        model, weight = nn.Dense(784, 10), [1.0]

        class Anneal(training.Callback):
            def on_step_end(self, run, weight=weight):
                weight[0] *= 0.5

        training.fit(
            model,
            mnist,
            loss=lambda out, y, weight=weight: weight[0] * nn.softmax_cross_entropy(out, y),
            optimizer=optim.SGD(model.parameters(), 0.1),
            epochs=1,
            batch_size=20,
            callbacks=[Anneal()],
            progress=False,
            capture=capture,
        )
        ends.append(model.kernel.data.tobytes())
    assert ends[0] == ends[1]


def test_masks_made_outside_of_ops_are_refused():
    model, _, _ = simple()

    def step(x, y):
        loss = ops.mean(ops.where(x[:, :4] > 0, model(x), 0.0))
        loss.backward()
        return loss

    with pytest.raises(training.CaptureError, match="computed with NumPy"):
        training.capture(step, *BATCHES[0])
