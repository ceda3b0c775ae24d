"""User-defined constraints and regularizers, with the contracts of Keras and TensorFlow."""

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, data, nn, ops, optim, training
from minidnn.ops.clipping import clip_by_norm

RNG = np.random.default_rng(0)
W = RNG.standard_normal((6, 4)).astype(np.float32)


def in_place(w):
    np.clip(w.data, -0.1, 0.2, out=w.data)


CLIPPING = {
    "an array": lambda w: np.clip(w.data, -0.1, 0.2),
    "a tensor": lambda w: ops.clip(w, -0.1, 0.2),
    "in place": in_place,
    "float64": lambda w: np.clip(w.data, -0.1, 0.2).astype(np.float64),
}


def stepped(constraint):
    layer = nn.Dense(6, 4, kernel_constraint=constraint)
    layer.kernel.data[...] = W
    optimizer = optim.SGD([layer.kernel], 0.5)
    layer.kernel.grad = np.ones_like(W)
    version = layer.kernel.version
    optimizer.step()
    assert layer.kernel.version > version
    return layer.kernel


@pytest.mark.parametrize("name", CLIPPING)
def test_the_result_of_a_constraint_is_the_new_value(name):
    kernel = stepped(CLIPPING[name])
    np.testing.assert_array_equal(kernel.data, np.clip(W - np.float32(0.5), np.float32(-0.1), np.float32(0.2)))
    assert kernel.op is None  # still a leaf
    assert kernel.requires_grad


def test_a_constraint_that_returns_its_argument_changed_it():
    def double(w):
        w.data *= 2
        return w

    np.testing.assert_array_equal(stepped(double).data, 2 * (W - np.float32(0.5)))


def test_a_constraint_may_read_and_reverse_its_argument():
    np.testing.assert_array_equal(stepped(lambda w: w.data[::-1]).data, (W - np.float32(0.5))[::-1])


def test_a_constraint_between_two_maskings():
    mask = W > 0
    kernel = stepped(nn.masked(mask, lambda w: w.data + 1))
    np.testing.assert_array_equal(kernel.data, np.where(mask, W - np.float32(0.5) + 1, 0))


@pytest.mark.parametrize(
    ("constraint", "error", "message"),
    [
        (lambda w: 3, TypeError, "Dense: kernel_constraint: returned 3, must be an array of shape (6, 4), or None"),
        (
            lambda w: w.data[0],
            ValueError,
            "Dense: kernel_constraint: returned an array of shape (4,), must be an array",
        ),
        (lambda w: w.data > 0, TypeError, "Dense: kernel_constraint: returned array"),
    ],
)
def test_invalid_results_of_a_constraint_are_refused(constraint, error, message):
    with pytest.raises(error) as caught:
        stepped(constraint)
    assert message in str(caught.value)


@pytest.mark.parametrize("argument", ["kernel_constraint", "kernel_regularizer", "bias_regularizer"])
def test_a_constraint_that_is_not_callable_is_refused_by_name(argument):
    with pytest.raises(TypeError, match=f"Dense 'a': {argument} is 'max_norm', must be a function"):
        nn.Dense(6, 4, name="a", **{argument: "max_norm"})
    with pytest.raises(TypeError, match=r"Dense 'a': activity_regularizer is 0.1, must be a function of y or None"):
        nn.Dense(6, 4, name="a", activity_regularizer=0.1)


def test_a_regularizer_may_return_none():
    seen = []
    layer = nn.Dense(6, 4, kernel_regularizer=seen.append, activity_regularizer=seen.append)
    layer(Tensor(np.ones((2, 6), np.float32)))
    assert layer.regularization_loss().item() == 0
    assert [type(each).__name__ for each in seen] == ["Tensor", "Parameter"]


@pytest.mark.parametrize(
    ("regularizer", "error", "message"),
    [
        (lambda w: 0.5, TypeError, "Dense 'a': kernel_regularizer: returned 0.5, must be a Tensor"),
        (lambda w: w * w, ValueError, "Dense 'a': kernel_regularizer: returned shape (6, 4), must be one number"),
    ],
)
def test_invalid_results_of_a_regularizer_are_refused(regularizer, error, message):
    layer = nn.Dense(6, 4, name="a", kernel_regularizer=regularizer)
    with pytest.raises(error) as caught:
        layer.regularization_loss()
    assert message in str(caught.value)


def test_the_max_norm_regularizer_of_the_chapter():
    """Geron's ``max_norm_regularizer``: collects an operation that clips the weights; returns None (no penalty)."""
    clipping = []

    def max_norm(weights):
        clipping.append(weights)

    def clip_all():
        for weights in clipping:
            weights.data[...] = clip_by_norm(weights, 1.0, axes=1).data
        clipping.clear()

    digits = data.load_digits_sample()
    minidnn.manual_seed(0)
    layer = nn.Dense(64, 10, kernel_regularizer=max_norm)
    optimizer = optim.SGD(layer.parameters(), 0.5)
    for x, y in [(digits.train.x[:50], digits.train.y[:50])] * 5:
        optimizer.zero_grad()
        (nn.softmax_cross_entropy(layer(Tensor(x)), y) + layer.regularization_loss()).backward()
        optimizer.step()
        clip_all()
        assert np.linalg.norm(layer.kernel.data, axis=1).max() <= 1 + 1e-6


def test_a_constraint_of_ops_trains_as_max_norm_does():
    digits = data.load_digits_sample()
    kernels = []
    for constraint in (nn.max_norm(0.3, axis=1), lambda w: clip_by_norm(w, 0.3, axes=1)):
        minidnn.manual_seed(0)
        model = nn.Sequential(nn.Dense(64, 10, kernel_constraint=constraint))
        training.fit(
            model, digits.train, optimizer=optim.SGD(model.parameters(), 0.5), epochs=2, batch_size=50, progress=False
        )
        kernels.append(model[0].kernel.data)
    np.testing.assert_allclose(kernels[0], kernels[1], atol=1e-5)


@pytest.mark.parametrize("axes", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_by_norm(axes, dtype):
    w = (W * np.array([[0.01], [3], [0], [1], [2], [0.3]])).astype(dtype)
    exact = w.astype(np.float64)
    norm = np.sqrt((exact**2).sum(axis=axes, keepdims=True))
    y = clip_by_norm(Tensor(w), 0.7, axes)
    np.testing.assert_allclose(y.data, exact * 0.7 / np.maximum(norm, 0.7), rtol=4e-7, atol=1e-30)
    small = np.broadcast_to(norm < 0.69, w.shape)
    np.testing.assert_array_equal(y.data[small], w[small])


@pytest.mark.parametrize("axes", [None, 0, 1])
def test_the_gradient_of_clip_by_norm(axes):
    w = (W * np.array([[0.01], [3], [0], [1], [2], [0.3]])).astype(np.float64)
    direction = RNG.standard_normal(w.shape)
    x = Tensor(w, requires_grad=True)
    ops.sum(clip_by_norm(x, 0.7, axes) * direction).backward()
    step = 1e-6
    for i in np.ndindex(*w.shape):
        moved = np.zeros_like(w)
        moved[i] = step
        low, high = (float((clip_by_norm(Tensor(w + s * moved), 0.7, axes).data * direction).sum()) for s in (-1, 1))
        assert x.grad[i] == pytest.approx((high - low) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf, "1", None])
def test_clip_by_norm_refuses(limit):
    with pytest.raises((TypeError, ValueError), match="clip_by_norm: limit"):
        clip_by_norm(Tensor(W), limit)
