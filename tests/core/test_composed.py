"""Layers made of ops: their formulas in float64, gradients, training, files, ONNX and compiled models."""

import numpy as np
import pytest

import minidnn
from minidnn import Generator, Tensor, convert, deploy, gradcheck, nn, optim, training

rng = np.random.default_rng(6)
X = rng.normal(1.0, 2.0, (5, 6))
Y = rng.integers(0, 3, 60)
MANY = rng.normal(size=(60, 6)).astype(np.float32)


def grouped(x):
    parts = x.reshape(5, 3, 2)
    normal = (parts - parts.mean(axis=2, keepdims=True)) / np.sqrt(parts.var(axis=2, keepdims=True) + 1e-5)
    return normal.reshape(5, 6)


FORMULAS = {
    "RMSNorm": (lambda: nn.RMSNorm(6), lambda x: x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6)),
    "GroupNorm": (lambda: nn.GroupNorm(3, 6), grouped),
    "GaussianNoise": (lambda: nn.GaussianNoise(2.0).eval(), lambda x: x),
    "Rescaling": (lambda: nn.Rescaling(0.25, -1.5), lambda x: x * 0.25 - 1.5),
    "Normalization": (lambda: nn.Normalization(6).adapt(X), lambda x: (x - X.mean(axis=0)) / X.std(axis=0)),
    "Reshape": (lambda: nn.Reshape((3, -1)), lambda x: x.reshape(5, 3, 2)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    make, formula = FORMULAS[name]
    np.testing.assert_allclose(make()(X.astype(np.float32)).data, formula(X), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients(name):
    layer = FORMULAS[name][0]()
    for path, tensor in layer.tensors().items():
        tensor.data = tensor.data.astype(np.float64) + (0.1 if path in ("gamma", "beta") else 0.0)
    assert gradcheck(lambda x: layer(x) * layer(x), [X])


def network():
    r = Generator(2)
    return nn.Sequential(
        nn.Normalization(6).adapt(MANY), nn.Rescaling(0.5, 0.1), nn.GaussianNoise(0.1, rng=Generator(3)),
        nn.Dense(6, 8, rng=r), nn.RMSNorm(8), nn.Dense(8, 8, "mish", rng=r), nn.GroupNorm(2, 8), nn.Reshape([8]),
        nn.Dense(8, 3, rng=r),
    )  # fmt: skip


def train(capture):
    model = network()
    options = {"epochs": 3, "batch_size": 20, "rng": Generator(9), "progress": False, "capture": capture}
    history = training.fit(model, MANY, Y, optimizer=optim.Adam(model.parameters(), 0.01), **options)
    return model.eval(), history["loss"]


def test_captured_steps_are_the_eager_ones():
    (one, losses), (other, eager) = train("auto"), train(False)
    assert losses == eager
    assert all(np.array_equal(a, other.state_dict()[name]) for name, a in one.state_dict().items())


def test_saved_and_exported(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model, _ = train("auto")
    expected = model(MANY).data
    minidnn.save(model, tmp_path / "m.safetensors")
    assert np.array_equal(minidnn.load(tmp_path / "m.safetensors")(MANY).data, expected)
    proto = convert.to_onnx(model, input_shape=(6,))
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: MANY})
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_ops_that_the_engine_has_are_compiled():
    model = nn.Sequential(nn.Rescaling(0.5, 0.1), nn.Dense(6, 8, "gelu"), nn.GaussianNoise(0.5), nn.Dense(8, 3)).eval()
    np.testing.assert_allclose(deploy.compile(model).predict(MANY), model(MANY).data, rtol=1e-5, atol=1e-5)
    with pytest.raises(TypeError, match="op multiply of rms, a RMSNorm"):
        deploy.compile(nn.Sequential(nn.Dense(6, 8), nn.RMSNorm(8, name="rms")).eval())


def test_noise_has_its_deviation_and_is_drawn_anew():
    layer, zeros = nn.GaussianNoise(2.0, rng=Generator(1)), np.zeros((500, 400), np.float32)
    first, second = layer(zeros).data, layer(zeros).data
    assert abs(first.std() - 2.0) < 0.02 and abs(first.mean()) < 0.02 and not np.array_equal(first, second)
    assert np.array_equal(layer.eval()(zeros).data, zeros)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.GroupNorm(4, 6), "n is 6, must be a multiple of groups, 4"),
        (lambda: nn.GroupNorm(3, 6)(np.ones((2, 5), np.float32)), r"GroupNorm: x has shape \(2, 5\)"),
        (lambda: nn.RMSNorm(6)(np.ones((2, 5), np.float32)), "its last axis must be 6"),
        (lambda: nn.GaussianNoise(-1.0), "stddev must be finite and at least 0"),
        (lambda: nn.Normalization(6).adapt(np.ones((0, 6))), r"x has shape \(0, 6\)"),
        (lambda: nn.Normalization(2).adapt([[1.0, np.nan]]), "x holds NaN or infinity"),
        (lambda: nn.Reshape((4,))(Tensor(np.ones((2, 6), np.float32))), "reshape"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_column_without_spread_becomes_zero():
    layer = nn.Normalization(2).adapt([[3.0, 1.0], [3.0, 2.0]])
    assert layer(np.array([[3.0, 2.0]], np.float32)).data.tolist() == [[0.0, 1.0]]
