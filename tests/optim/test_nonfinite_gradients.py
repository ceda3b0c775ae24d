"""A gradient that is NaN or infinite: the parameter is named, and nothing is updated."""

import numpy as np
import pytest
from kit.capturing import step_of

import minidnn
from minidnn import nn, ops, optim, training

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")

OPTIMIZERS = [
    optim.SGD,
    lambda p, lr: optim.SGD(p, lr, momentum=0.9),
    optim.Adam,
    optim.RMSprop,
    optim.FTRL,
    optim.Lion,
]
X = np.random.default_rng(5).random((8, 3), np.float32)
Y = np.arange(8) % 2


def state(model, optimizer):
    arrays = {**model.state_dict(), **optimizer.state_dict()}
    return {name: np.asarray(value).tobytes() for name, value in arrays.items()}


def captured_step(model, optimizer):
    return training.capture(step_of(model, optimizer), X, Y)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_step_names_the_parameter_and_changes_nothing(make, value):
    model = nn.Sequential(nn.Dense(3, 4, "relu"), nn.Dense(4, 2))
    optimizer = make(model.parameters(), 0.1)
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = np.ones_like(parameter.data)
        optimizer.step()
    before = state(model, optimizer)
    model[1].kernel.grad[2, 1] = value
    with pytest.raises(FloatingPointError, match=r"params\[2\], of shape \(4, 2\), has 1 of 8 values"):
        optimizer.step()
    assert state(model, optimizer) == before


def test_large_gradients_are_finite():
    for dtype, large in ((np.float32, 3e38), (np.float64, 1e300)):
        leaf = minidnn.Tensor(np.zeros((2, 3), dtype), requires_grad=True)
        leaf.grad = np.full((3, 2), large, dtype).T  # strided, too
        optim.SGD([leaf], 1e-30).step()
        assert np.isfinite(leaf.data).all() and leaf.data.any()


class RootLoss:
    """A loss with an infinite derivative where an output is 0."""

    def __call__(self, outputs, targets):
        return nn.softmax_cross_entropy(outputs, targets) + ops.mean(ops.sqrt(outputs * outputs))


def dead():
    """A network whose outputs are 0."""
    minidnn.manual_seed(2)
    return nn.Sequential(nn.Dense(3, 4, "relu"), nn.Dense(4, 2, kernel_initializer="zeros"))


@pytest.mark.parametrize("options", [{"capture": False}, {"capture": True}, {"capture": True, "clip_norm": 1.0}])
def test_fit_names_the_parameter_and_changes_nothing(options):
    model = dead()
    optimizer = optim.Adam(model.parameters(), 0.1)
    before = state(model, optimizer)
    with pytest.raises(training.NonFiniteError, match=r"step 1 .*gradient of 0.kernel has \d+ of 12 values"):
        training.fit(
            model, X, Y, loss=RootLoss(), optimizer=optimizer, epochs=1, batch_size=4, progress=False, **options
        )
    assert state(model, optimizer) == before


class ZeroLater(training.Callback):
    """Makes the outputs 0 after some steps, so that a replay finds the gradient."""

    def on_step_end(self, run):
        if run.step == 3:
            for parameter in run.model[1].parameters():
                parameter.data[...] = 0
            self.before = state(run.model, run.optimizer)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_replay_finds_it_too(clip_norm):
    minidnn.manual_seed(2)
    model = nn.Sequential(nn.Dense(3, 4, "tanh"), nn.Dense(4, 2))
    optimizer, callback = optim.Adam(model.parameters(), 0.1), ZeroLater()
    with pytest.raises(training.NonFiniteError, match=r"step 4 .*gradient of 0.kernel has"):
        training.fit(
            model, X, Y, loss=RootLoss(), optimizer=optimizer, epochs=4, batch_size=4, progress=False,
            capture=True, clip_norm=clip_norm, callbacks=[callback],
        )  # fmt: skip
    assert state(model, optimizer) == callback.before


def test_clipping_checks_the_norm_of_the_gradients():
    """A product overflows: the loss and the gradient of the input are finite, the gradient of the weights is not."""
    model = nn.Dense(1, 1)
    model.kernel.data[...] = 0
    x = np.full((4, 1), 3e38, np.float32)
    optimizer = optim.SGD(model.parameters(), 0.1)
    before = state(model, optimizer)
    with pytest.raises(training.NonFiniteError, match="gradient of kernel has 1 of 1"):
        training.fit(
            model, x, np.full(4, 1e3, np.float32), loss=nn.mean_squared_error, optimizer=optimizer, epochs=1,
            batch_size=4, progress=False, clip_norm=1.0,
        )  # fmt: skip
    assert state(model, optimizer) == before


def test_a_step_with_bounded_derivatives_has_no_check():
    """Gradients are checked only if a derivative of the loss is unbounded."""
    model = nn.Sequential(nn.Dense(3, 4, "elu"), nn.Dense(4, 2))
    optimizer = optim.Adam(model.parameters(), 0.1)
    captured = captured_step(model, optimizer)
    assert "check_gradients" not in [call.kernel for call in captured.calls]


def test_nonfinite_weights_are_named():
    model = nn.Sequential(nn.Dense(3, 4, "relu"), nn.Dense(4, 2))

    class Spoil(training.Callback):
        def on_step_end(self, run):
            run.model[1].bias.data[0] = np.nan

    with pytest.raises(training.NonFiniteError, match=r"1\.bias has 1 of 2 values that .*, since an earlier"):
        training.fit(
            model, X, Y, optimizer=optim.SGD(model.parameters(), 0.1), epochs=2, batch_size=4, progress=False,
            callbacks=[Spoil()],
        )  # fmt: skip


def test_a_replay_that_raises_leaves_no_gradients():
    """The replay has overwritten part of them, so they are neither the old nor the new gradients."""
    model = nn.Sequential(nn.Dense(3, 4, "tanh"), nn.Dense(4, 2))
    optimizer = optim.SGD(model.parameters(), 0.1)
    captured = captured_step(model, optimizer)
    captured(X, Y)
    assert all(parameter.grad is not None for parameter in model.parameters())
    before = state(model, optimizer)
    with pytest.raises(ValueError, match="label"):
        captured(X, Y + 5)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert state(model, optimizer) == before
    captured(X, Y)  # the step can be replayed again
    twin = captured(X, Y).item()
    assert np.isfinite(twin) and all(np.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_accumulated_gradients_are_cleared_after_an_error_of_a_replay():
    model = nn.Dense(3, 2)

    def step(x, y):
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        return loss

    captured = training.capture(step, X, Y)
    captured(X, Y)
    captured(X, Y)
    once = model.kernel.grad / 3
    with pytest.raises(ValueError, match="label"):
        captured(X, Y + 5)
    assert model.kernel.grad is None
    captured(X, Y)
    np.testing.assert_allclose(model.kernel.grad, once, rtol=1e-5)


@pytest.mark.parametrize("capture", [True, False])
def test_penalties_of_an_earlier_forward_pass_are_not_added(capture):
    def first_loss(before):
        minidnn.manual_seed(1)
        model = nn.Sequential(nn.Dense(3, 4, "relu", activity_regularizer=nn.l2(1.0)), nn.Dense(4, 2))
        for _ in range(before):
            model(X)  # in training mode, as when a user looks at the outputs
        optimizer = optim.SGD(model.parameters(), 0.1)
        history = training.fit(
            model, X, Y, optimizer=optimizer, epochs=2, batch_size=8, progress=False, capture=capture
        )
        return history["loss"]

    assert first_loss(0) == first_loss(3)


def test_a_captured_step_omits_penalties_of_an_earlier_forward_pass():
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(3, 4, "relu", activity_regularizer=nn.l2(1.0)), nn.Dense(4, 2))

    def step(x, y):
        return nn.softmax_cross_entropy(model(x), y) + model.regularization_loss()

    wanted = step(X, Y).item()
    model(X)
    captured = training.capture(step, X, Y)
    assert captured(X, Y).item() == pytest.approx(wanted, rel=1e-6)
