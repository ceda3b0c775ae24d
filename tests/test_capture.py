"""Captured steps leave the bytes of the steps themselves, or refuse."""

import logging

import numpy as np
import pytest

import minidnn
from minidnn import data, kernels, nn, ops, optim, schedules, training

pytestmark = pytest.mark.compiled

RNG = np.random.default_rng(5)
BATCHES = [(RNG.standard_normal((6, 8)).astype(np.float32), RNG.integers(0, 4, 6)) for _ in range(5)]


def cross_entropy(output, x, y):
    return nn.softmax_cross_entropy(output, y)


def everything(model, optimizer):
    """All that a step changes, as bytes."""
    state = {**model.state_dict(), **optimizer.state_dict()}
    grads = [param.grad for param in model.parameters()]
    return [np.asarray(value).tobytes() for value in [*state.values(), *grads]], minidnn.get_rng_state()


def run(build, make_optimizer=lambda params: optim.SGD(params, 0.1), loss=cross_entropy, captured=True, strict=True):
    """The losses of some steps and what they leave."""
    minidnn.manual_seed(7)
    model = build()
    optimizer = make_optimizer(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), x, y) + model.regularization_loss()
        value.backward()
        optimizer.step()
        return value

    step = training.Captured(step, strict=strict) if captured else step
    losses = [step(x, y).item() for x, y in BATCHES]
    return losses, everything(model, optimizer)


def dense():
    return nn.Sequential(nn.Dense(8, 5, "relu"), nn.Dense(5, 4))


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda p: optim.AdaGrad(p),
    "rmsprop": lambda p: optim.RMSProp(p, momentum=0.5),
    "centered": lambda p: optim.RMSProp(p, centered=True),
    "adadelta": lambda p: optim.AdaDelta(p),
    "adam": lambda p: optim.Adam(p),
    "amsgrad": lambda p: optim.Adam(p, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p),
    "nadam": lambda p: optim.NAdam(p),
    "adamax": lambda p: optim.AdaMax(p),
    "lion": lambda p: optim.Lion(p),
    "ftrl": lambda p: optim.FTRL(p, 0.1, l1=0.01),
    "schedule": lambda p: optim.SGD(p, schedules.exponential(0.1, 0.5, 2), momentum=0.9),
    "groups": lambda p: optim.Adam([{"params": p[:2], "lr": 0.01}, {"params": p[2:], "beta1": 0.8}]),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name):
    assert run(dense, OPTIMIZERS[name]) == run(dense, OPTIMIZERS[name], captured=False)


def test_the_optimizers_are_all_of_them():
    params = [nn.Parameter(np.ones(3, np.float32)) for _ in range(4)]
    made = {type(make(params)).__name__ for make in OPTIMIZERS.values()}
    assert made == {name for name in optim.__all__ if name[0].isupper()} - {"Optimizer"}


LAYERS = {
    **{
        f"dense {activation}": lambda activation=activation: nn.Dense(8, 4, activation)
        for activation in nn.layers.FUSED
    },
    **{
        name: lambda name=name: nn.Sequential(nn.Dense(8, 4), getattr(nn, name)())
        for name in ("ReLU", "LeakyReLU", "ELU", "SELU", "Tanh", "Logistic", "Softplus", "RReLU")
    },
    "prelu": lambda: nn.Sequential(nn.Dense(8, 4), nn.PReLU(4)),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.3), nn.Dense(8, 5, "relu"), nn.Dropout(0.5), nn.Dense(5, 4)),
    "dropconnect": lambda: nn.DropConnect(nn.Dense(8, 4), 0.3),
    "batch norm": lambda: nn.Sequential(nn.Dense(8, 5), nn.BatchNorm(5, momentum=0.9), nn.ELU(), nn.Dense(5, 4)),
    "layer norm": lambda: nn.Sequential(nn.Dense(8, 5), nn.LayerNorm(5), nn.Dense(5, 4)),
    "residual": lambda: nn.Sequential(nn.Residual(nn.Dense(8, 8, "elu")), nn.Dense(8, 4)),
    "penalties": lambda: nn.Sequential(
        nn.Dense(8, 5, kernel_regularizer=nn.l1(0.01), bias_regularizer=nn.l2(0.1)),
        nn.Dense(5, 4, kernel_regularizer=nn.l1_l2(0.01, 0.02), activity_regularizer=nn.l2(0.01)),
    ),
    "max-norm": lambda: nn.Dense(8, 4, kernel_constraint=nn.max_norm(0.5)),
    "max-norm of rows": lambda: nn.Dense(8, 4, kernel_constraint=nn.max_norm(0.5, axis=1)),
    "unit norm": lambda: nn.Dense(8, 4, kernel_constraint=nn.unit_norm()),
    "non-negative": lambda: nn.Dense(8, 4, kernel_constraint=nn.non_neg()),
    "a frozen layer": lambda: nn.Sequential(frozen(nn.Dense(8, 5, "tanh")), nn.Dense(5, 4)),
}


def frozen(layer):
    for param in layer.parameters():
        param.requires_grad = False
    return layer


def trained(params):
    return optim.SGD([param for param in params if param.requires_grad], 0.1)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_that_is_made_of_kernels(name):
    assert run(LAYERS[name], trained) == run(LAYERS[name], trained, captured=False)


# Those that compute with NumPy run as they are.
NUMPY_LAYERS = {
    "skip": lambda: nn.Sequential(nn.SkipConcat(nn.Dense(8, 3)), nn.Dense(11, 4)),
    "alpha dropout": lambda: nn.Sequential(nn.Dense(8, 8, "selu"), nn.AlphaDropout(0.2), nn.Dense(8, 4)),
    "scaled at test": lambda: nn.Sequential(nn.Dropout(0.2, mode="scale_at_test"), nn.Dense(8, 4)),
}


@pytest.mark.parametrize("name", NUMPY_LAYERS)
def test_every_other_layer_runs_as_it_is(name):
    build = NUMPY_LAYERS[name]
    assert run(build, strict=False) == run(build, captured=False)
    with pytest.raises(training.CaptureError, match="NumPy"):
        run(build)


def test_a_loss_of_kernels():
    def loss(output, x, y):
        return nn.mean_squared_error(output, x)

    assert run(lambda: nn.Dense(8, 8), loss=loss) == run(lambda: nn.Dense(8, 8), loss=loss, captured=False)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bytes_at_every_thread_count(threads):
    kernels.set_num_threads(threads)
    assert run(LAYERS["dropout"]) == run(LAYERS["dropout"], captured=False)


def simple(strict=True):
    minidnn.manual_seed(1)
    model = dense()
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


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


def test_a_layer_frozen_later_stays():
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


def test_what_numpy_computes_is_refused():
    model, _, _ = simple()

    def step(x, y):
        loss = nn.softmax_cross_entropy(model(x * np.float32(2)), y)
        loss.backward()
        return loss

    with pytest.raises(training.CaptureError, match=r"computed with NumPy, of shapes \(6, 8\)"):
        training.capture(step, *BATCHES[0])


def test_hidden_state_is_found_out():
    model, _, _ = simple()
    shift = np.zeros((6, 8), np.float32)

    def step(x, y):
        shift[...] = x  # behind the kernels' back
        loss = nn.softmax_cross_entropy(model(ops.add(minidnn.Tensor(x), minidnn.Tensor(shift))), y)
        loss.backward()
        return loss

    with pytest.raises(training.CaptureError, match="a replay leaves other numbers than the step"):
        training.capture(step, *BATCHES[0])


def test_results_must_be_tensors_of_kernels():
    model, _, _ = simple()
    with pytest.raises(training.CaptureError, match="must return tensors"):
        training.capture(lambda x, y: 1.0, *BATCHES[0])
    with pytest.raises(training.CaptureError, match=r"result of shape \(\) was not computed by a kernel"):
        training.capture(lambda x, y: ops.max(model(x)), *BATCHES[0])


def test_the_reference_backend_is_refused():
    _, _, step = simple()
    with minidnn.use_backend("reference"), pytest.raises(training.CaptureError, match="reference backend"):
        training.capture(step, *BATCHES[0])


def test_an_error_while_recording_leaves_nothing_behind():
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
    model = nn.Sequential(nn.SkipConcat(nn.Dense(784, 10)), nn.Dense(794, 10))
    with caplog.at_level(logging.INFO, "minidnn"):
        optimizer = optim.SGD(model.parameters(), 0.1)
        training.fit(model, mnist, optimizer=optimizer, epochs=1, batch_size=50, progress=False)
    assert "computed with NumPy" in caplog.text


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
        model = LAYERS["dropout"]()
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


def test_looking_at_a_model_records_nothing_anew():
    model, _, step = simple()
    recorded = []
    captured = training.capture(lambda x, y: (recorded.append(1), step(x, y))[1], *BATCHES[0], model=model)
    before = len(recorded)
    training.evaluate(model, data.ArrayDataset(BATCHES[0][0], BATCHES[0][1]))
    captured(*BATCHES[1])
    assert len(recorded) == before
