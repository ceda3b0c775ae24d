"""The embedding layer: one row for each number."""

import numpy as np
import pytest

import minidnn
from minidnn import Generator, Tensor, convert, gradcheck, nn, ops, optim, training

X = np.array([[3, 0, 3], [6, 2, 0]])


def layer(**options):
    return nn.Embedding(7, 4, rng=Generator(2), **options)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (0, 3), ()])
@pytest.mark.parametrize("backend", ["reference", pytest.param("compiled", marks=pytest.mark.compiled)])
def test_rows_of_any_shape(shape, backend):
    with minidnn.kernels.use_backend(backend):
        embedding, x = layer(), np.resize(X, shape)
        assert np.array_equal(embedding(x).data, embedding.kernel.data[x]) and embedding(x).shape == (*shape, 4)


def test_the_gradient_is_that_of_one_hot_vectors():
    embedding = layer()
    weights = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    ops.sum(embedding(X) * weights).backward()
    expected = np.einsum("bkn,bko->no", np.eye(7)[X], weights)
    np.testing.assert_allclose(embedding.kernel.grad, expected, rtol=1e-6)
    assert gradcheck(
        lambda w: ops.embedding(w, X) * ops.embedding(w, X), [np.random.default_rng(0).normal(size=(7, 2))]
    )


def test_padding_begins_at_0_and_gets_no_gradient():
    embedding = layer(padding=3)
    assert not embedding.kernel.data[3].any() and embedding.kernel.data[[0, 2, 6]].all()
    ops.sum(embedding(X)).backward()
    assert np.flatnonzero(embedding.kernel.grad.any(axis=1)).tolist() == [0, 2, 6]
    embedding.kernel.data[3] = 5.0  # as PyTorch, which reads the row
    assert np.array_equal(embedding(X).data[0, 0], np.full(4, 5.0))


def model():
    return nn.Sequential(layer(padding=0, name="words"), nn.Flatten(), nn.Dense(12, 2, rng=Generator(3), name="y"))


@pytest.mark.compiled
def test_a_captured_step_leaves_the_same_bytes():
    def run(captured):
        net = model()
        optimizer = optim.Adam(net.parameters(), 0.01)

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.softmax_cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        call = training.Captured(step, strict=True) if captured else step
        rng = np.random.default_rng(1)
        for _ in range(4):
            call(rng.integers(0, 7, (5, 3)), rng.integers(0, 2, 5))
        return [array.tobytes() for array in net.state_dict().values()]

    assert run(True) == run(False)


def test_fit_learns_which_word_comes_first_and_files_keep_it(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 7, (300, 3))
    net = model()
    options = {"epochs": 20, "batch_size": 20, "rng": Generator(9), "progress": False}
    training.fit(net, x, (x[:, 0] > 3).astype(int), optimizer=optim.Adam(net.parameters(), 0.05), **options)
    expected = training.predict(net, x)
    assert ((expected.argmax(axis=1) == 1) == (x[:, 0] > 3)).mean() > 0.97
    minidnn.save(net, tmp_path / "m.safetensors")
    loaded = minidnn.load(tmp_path / "m.safetensors")
    assert loaded[0].padding == 0 and np.array_equal(training.predict(loaded, x), expected)


def test_onnx_gathers():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net = model().eval()
    proto = convert.to_onnx(net, input_shape=(3,))
    assert [node.op_type for node in proto.graph.node] == ["Gather", "Flatten", "Gemm"]
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": X})[0], net(X).data, rtol=1e-5, atol=1e-6)
    back = convert.from_onnx(proto)
    assert [type(part) for part in back] == [nn.Embedding, nn.Flatten, nn.Dense]
    assert back.state_dict().keys() == net.state_dict().keys() and np.array_equal(back(X).data, net(X).data)


def test_export_requires_input_shape_where_no_layer_fixes_the_width():
    pytest.importorskip("onnx")
    for first in (nn.Embedding(7, 4), nn.EmbeddingBag(7, 4)):
        with pytest.raises(
            convert.ConversionError, match="the shape of x cannot be inferred from the layers; give input_shape"
        ):
            convert.to_onnx(nn.Sequential(first, nn.Flatten()))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Embedding(0, 3), ValueError, "Embedding: n_in"),
        (lambda: nn.Embedding(4, 3, padding=4), ValueError, r"padding is 4, must be in \[0, 4\)"),
        (lambda: nn.Embedding(4, 3, padding=-1), ValueError, "padding is -1"),
        (lambda: nn.Embedding(4, 3, padding=1.0), TypeError, "padding must be an integer or None, got float"),
        (lambda: layer(name="words")(np.zeros(3, np.float32)), TypeError, "'words': x is float32, must be integers"),
        (lambda: layer()(np.array([1, 7])), ValueError, "7"),
        (lambda: layer()(np.array([1, -1])), ValueError, "-1"),
        (lambda: ops.embedding(Tensor(np.zeros(3, np.float32)), [0]), ValueError, "embedding: weight has shape"),
    ],
)
@pytest.mark.parametrize("backend", ["reference", pytest.param("compiled", marks=pytest.mark.compiled)])
def test_invalid_arguments_are_refused(make, error, message, backend):
    with minidnn.kernels.use_backend(backend), pytest.raises(error, match=message):
        make()
