"""Every op: its gradient by central differences, its value by a plain formula, and float32 against float64."""

import numpy as np
import pytest
from kit.rows_of_ops import CONDITION, OPS, away

import minidnn
from minidnn import Tensor, ops
from minidnn.gradients import GradientError

by_row = pytest.mark.parametrize("row", OPS, ids=str)


def call(row, tensors):
    if row.name == "where":
        return ops.where(CONDITION, *tensors)
    y = row(*tensors)
    return y[0] if isinstance(y, tuple) else y


@by_row
def test_value(row):
    y = call(row, [Tensor(x) for x in row.inputs])
    assert np.allclose(y.data, row.formula(*row.inputs), rtol=1e-12, atol=1e-14)


@by_row
def test_gradient(row):
    assert minidnn.gradcheck(lambda *tensors: call(row, tensors), row.inputs)


@by_row
def test_float32_stays_float32_and_agrees(row):
    def gradients(dtype):
        tensors = [Tensor(x.astype(dtype), requires_grad=True) for x in row.inputs]
        y = call(row, tensors)
        assert y.dtype == dtype
        y.backward(np.ones(y.shape, dtype))
        assert all(t.grad.dtype == dtype and t.grad.shape == t.shape for t in tensors)
        return [y.data, *(t.grad for t in tensors)]

    for exact, got in zip(gradients(np.float64), gradients(np.float32), strict=True):
        # At most 24 terms below 100, each off by a few units in the last place.
        assert np.abs(exact - got).max(initial=0) <= 24 * 8 * 100 * np.finfo(np.float32).eps


def test_every_op_has_a_row():
    assert {row.name for row in OPS} == set(ops.__all__) - {"compare"}  # which has no gradient


@pytest.mark.parametrize("op", [lambda x, g: ops.dropout(x, 0.5, rng=g), lambda x, g: ops.rrelu(x, rng=g)])
def test_gradient_of_random_ops(op):
    assert minidnn.gradcheck(lambda x: op(x, minidnn.Generator(3)), [away(5, 6)])


def test_equal_elements_share_the_gradient():
    for op in (ops.max, ops.min):
        x = Tensor(np.array([1.0, 1.0, 1.0]), requires_grad=True)
        op(x).backward()
        assert np.allclose(x.grad, 1 / 3)
    a, b = (Tensor(np.array([2.0]), requires_grad=True) for _ in range(2))
    ops.maximum(a, b).backward()
    assert a.grad.item() == b.grad.item() == 0.5


def test_python_numbers_keep_the_dtype():
    x = Tensor(np.ones(3, np.float32))
    for y in (x + 1.5, 2.5 * x, 1 / x, x**2, 2**x, x - 1, 1 - x, ops.maximum(x, 0.5), -x, abs(x)):
        assert y.dtype == np.float32


X = Tensor(np.ones((2, 3), np.float32))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: X @ X, ValueError, r"matmul: a has shape \(2, 3\), b has \(2, 3\)"),
        (lambda: ops.dense(X, X, Tensor([1.0])), ValueError, r"dense: x has shape \(2, 3\), w has \(2, 3\)"),
        (lambda: ops.dense(X, X.T, Tensor([1.0])), ValueError, r"dense: b has shape \(1,\)"),
        (lambda: ops.dense(X, X.T, Tensor([1.0, 2.0]), "nope"), ValueError, "nope"),
        (lambda: ops.dropout(X, 1.0), ValueError, r"dropout: rate must be in \[0, 1\), got 1.0"),
        (lambda: ops.leaky_relu(X, 0.0), ValueError, "leaky_relu: alpha must be positive"),
        (lambda: ops.elu(X, -1.0), ValueError, "elu: alpha must be positive"),
        (lambda: ops.rrelu(X, 0.3, 0.1), ValueError, "upper is 0.1, must not be below lower"),
        (lambda: ops.clip(X), ValueError, "give low, high or both"),
        (lambda: ops.elu(X, 10**400), ValueError, "elu: alpha is an integer of 1329 bits"),
        (lambda: ops.thresholded_relu(X, 10**400), ValueError, "thresholded_relu: alpha is an integer"),
        (lambda: ops.rrelu(X, 0.1, 10**400), ValueError, "rrelu: upper is an integer"),
        (lambda: ops.clip(X, 1, 0), ValueError, "low is 1, must not exceed high, 0"),
        (lambda: ops.clip(X, -(10**400), 1), ValueError, "clip: low is an integer of 1329 bits, must be in the range"),
        (lambda: ops.clip(X, 1, 10**400), ValueError, "clip: high is an integer of 1329 bits"),
        (lambda: X * 10**400, ValueError, "multiply: b is an integer of 1329 bits, must be in the range of float64"),
        (lambda: 10**5000 - X, ValueError, "subtract: a is an integer of 16610 bits"),
        (lambda: X**10**400, ValueError, "power: b is an integer"),
        (lambda: X < 10**400, ValueError, "less: b is an integer"),
        (lambda: ops.where(X > 0, X, 10**400), ValueError, "where: b is an integer"),
        (lambda: ops.gather(X, [[0.5]], 1), TypeError, "indices must be integers"),
        (lambda: ops.softmax_cross_entropy(X, [0, 3]), ValueError, "label"),
        (lambda: ops.softmax_cross_entropy(X, [0, -1]), ValueError, "label"),
        (lambda: ops.softmax_cross_entropy(X, [0.0, 1.0]), TypeError, "integers"),
        (lambda: ops.softmax_cross_entropy(X, [0]), ValueError, "labels"),
        (lambda: X + Tensor(np.ones((4, 5), np.float32)), ValueError, "broadcast"),
        (lambda: ops.relu(Tensor(np.arange(3))), TypeError, "relu: x must be a float32 array, got an array of int64"),
    ],
)
@pytest.mark.compiled
def test_refuses(function, error, message):
    with pytest.raises(error, match=message):
        function()


# gradcheck itself


def wrong(rule):
    return lambda x: minidnn.tensor.record(x.data * 2, (x,), rule)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (wrong(lambda dy: (dy,)), r"input 0 at \(0,\): backward gives .*, central differences"),
        (wrong(lambda dy: (-2 * dy,)), "backward gives"),
        (wrong(lambda dy: (2 * np.roll(dy, 1),)), "backward gives"),
        (wrong(lambda dy: (np.where(np.arange(3) == 2, np.nan, 2 * dy),)), r"at \(2,\): backward gives nan"),
        (wrong(lambda dy: (2 * dy[np.newaxis],)), "its gradient"),
        (wrong(lambda dy: (None,)), "has no gradient"),
    ],
)
def test_gradcheck_catches_a_wrong_rule(f, message):
    with pytest.raises(GradientError, match=message):
        minidnn.gradcheck(f, [np.array([1.0, 2.0, 3.0])])


def test_gradcheck_requires_floats():
    with pytest.raises(TypeError, match="input 1 must be floating-point, got int64"):
        minidnn.gradcheck(ops.add, [np.ones(2), np.ones(2, int)])
