"""Tensors and the recorded graph."""

import sys

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, kernels, no_grad, ops


def leaf(*values):
    return Tensor(np.array(values, np.float32), requires_grad=True)


def test_attributes_of_a_tensor():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.shape == (2, 2) and x.dtype == np.float32 and x.ndim == 2 and x.size == 4 and len(x) == 2
    assert [row.data.tolist() for row in x] == [[1, 2], [3, 4]]
    assert Tensor(3.5).item() == 3.5 and float(Tensor(2.0)) == 2.0 and int(Tensor(2.0)) == 2
    assert np.asarray(x).tolist() == [[1, 2], [3, 4]] and np.array(x, dtype=np.float64).dtype == np.float64
    assert (x > 2).data.tolist() == [[False, False], [True, True]]
    assert x.T.data.tolist() == [[1, 3], [2, 4]] and x.reshape(4).shape == x.reshape((4,)).shape == (4,)


def test_data_is_kept_not_copied():
    array = np.ones(3, np.float32)
    assert Tensor(array).data is array and Tensor(array).numpy() is array
    assert Tensor(np.ones(2)).dtype == np.float64 and Tensor([1, 2]).dtype == np.int64


def test_dlpack_shares_memory():
    x = Tensor(np.arange(3, dtype=np.float32))
    assert np.shares_memory(np.from_dlpack(x), x.data)


def test_repr_has_shape_dtype_and_op():
    x = leaf(1.0, 2.0)
    assert repr(x) == "Tensor([1., 2.], shape=(2,), dtype=float32, requires_grad=True)"
    assert "op=relu" in repr(ops.relu(x)) and "op=matmul" in repr(Tensor(np.eye(2)) @ Tensor(np.eye(2), True))
    assert repr(Tensor(np.zeros((100, 100)))) == "Tensor(shape=(100, 100), dtype=float64)"


def test_gradients_add_up_over_paths_and_calls():
    x = leaf(3.0)
    y = x * x + x
    (y * y).backward()
    assert x.grad.tolist() == [2 * 12 * 7]
    x.zero_grad()
    for _ in range(3):
        (x * 2).backward()
    assert x.grad.tolist() == [6]


def test_graphs_ten_thousand_deep():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + 1.0
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_a_graph_that_doubles_at_every_node_is_walked_once():
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**60]


def test_only_tensors_that_need_a_gradient_are_recorded():
    x, w = Tensor([1.0]), leaf(2.0)
    assert not (x * x).requires_grad and (x * w).requires_grad
    (x * w).backward()
    assert x.grad is None
    with no_grad():
        assert not (x * w).requires_grad

    @no_grad()
    def evaluate():
        return x * w

    assert not evaluate().requires_grad and (x * w).requires_grad


def test_detach_leaves_the_tape():
    x = leaf(2.0)
    (x * (x * x).detach()).backward()
    assert x.grad.tolist() == [4.0]


def test_a_second_backward_is_an_error_unless_the_graph_was_retained():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        y.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        (y + 1).backward()


def test_backward_needs_a_gradient_for_several_elements():
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"shape \(2,\); give backward\(\) a gradient"):
        (x * x).backward()
    (x * x).backward([1.0, 10.0])
    assert x.grad.tolist() == [2.0, 40.0]
    with pytest.raises(ValueError, match=r"grad has shape \(3,\), the tensor has \(2,\)"):
        (x * x).backward([1.0, 1.0, 1.0])


def test_backward_from_an_unrecorded_tensor_is_an_error():
    with pytest.raises(RuntimeError, match="no input of this tensor requires a gradient"):
        Tensor([1.0]).backward()


def test_results_on_the_tape_are_read_only():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5


@pytest.mark.parametrize("size", [1, 64, 100_000])
@pytest.mark.parametrize("place", [0, -1])
def test_an_in_place_change_of_a_value_that_backward_needs_is_an_error(size, place):
    x = Tensor(np.ones(size, np.float32), requires_grad=True)
    y = (x * x).sum()
    x.data[place] += 1
    with pytest.raises(RuntimeError, match=r"multiply needs a value.*changed in place"):
        y.backward()


def test_an_in_place_change_of_a_value_that_backward_does_not_need_is_fine():
    x = leaf(1.0, 2.0)
    y = (x + 1).sum()
    x.data[0] = 100
    y.backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_an_optimizer_step_between_forward_and_backward_is_an_error():
    w = minidnn.nn.Parameter(np.ones((300, 300), np.float32))
    optimizer = minidnn.optim.SGD([w], 1e-30)  # too small to change a single bit
    y = (Tensor(np.ones((2, 300), np.float32)) @ w * 3).sum()
    z = (w * w).sum()
    y.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


def test_leaves_never_share_a_gradient():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    a.grad[0] = 100
    assert b.grad.tolist() == [1.0, 1.0]


def test_gradients_can_be_written():
    x = leaf(1.0, 2.0)
    x.sum().backward()
    x.grad *= 2
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Tensor("abc"), TypeError, "data must be numbers"),
        (lambda: Tensor([None]), TypeError, "data must be numbers"),
        (lambda: Tensor(Tensor(1.0)), TypeError, "data is a Tensor, must be"),
        (lambda: Tensor([1, 2], requires_grad=True), TypeError, "floating dtype, data is int64"),
        (lambda: Tensor([1.0, 2.0]).item(), ValueError, r"item: the tensor has shape \(2,\)"),
        (lambda: len(Tensor(1.0)), TypeError, "has no axes"),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_ndarray_on_the_left():
    x = leaf(1.0, 2.0)
    for y in (np.ones(2, np.float32) + x, np.ones(2, np.float32) * x, np.ones((3, 2), np.float32) @ x):
        assert isinstance(y, Tensor) and y.requires_grad


@pytest.mark.parametrize(
    "array", [np.arange(5.0), np.arange(1000.0), np.zeros((0, 3)), np.arange(60.0).reshape(5, 12).T]
)
def test_fingerprints_see_changes(array):
    for fingerprint in {kernels.fingerprint, minidnn.reference.fingerprint}:
        before = fingerprint(array)
        assert fingerprint(array) == before
        for place in (0, -1) if array.size else ():
            changed = array.copy()
            changed.flat[place] += 1
            assert fingerprint(changed) != before


def test_the_graph_is_freed():
    x = leaf(1.0)
    y = x * 2
    before = sys.getrefcount(y.data)
    z = y * y
    z.backward()
    after = sys.getrefcount(y.data)
    assert after == before


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("strided", [False, True])
def test_arithmetic_on_every_floating_dtype_and_on_views(dtype, strided):
    """Gradients of sums are broadcast views, which kernels do not accept."""
    x, y = np.arange(1, 13, dtype=dtype).reshape(3, 4), np.arange(2, 14, dtype=dtype).reshape(3, 4)
    if strided:
        x, y = np.asfortranarray(x), np.asfortranarray(y)
    a, b = Tensor(x, requires_grad=True), Tensor(y, requires_grad=True)
    ((a * b).sum() + (a - b).sum() + (a + a * b).sum() + (a * b).mean() * 12).backward()
    np.testing.assert_allclose(a.grad, 3 * y + 2, rtol=1e-2 if dtype == np.float16 else 1e-6)
    np.testing.assert_allclose(b.grad, 3 * x - 1, rtol=1e-2 if dtype == np.float16 else 1e-6)
