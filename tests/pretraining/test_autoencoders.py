"""Autoencoders: plain, denoising, with tied weights, sparse, stacked."""

import numpy as np
import pytest

import minidnn
from minidnn import Generator, Tensor, data, kernels, nn, ops, optim, pretraining, training
from minidnn.pretraining import Autoencoder, Reconstruction, gaussian_noise, kl_sparsity, masking, stack

SOME = Generator(9).uniform((20, 6))
MNIST = data.load_mnist().train


def in_float64(model, seed=0):
    rng = np.random.default_rng(seed)
    for param in model.parameters():
        param.data = rng.standard_normal(param.shape)
    return model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# The formulas


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_tied_weights(loss):
    model = in_float64(Autoencoder(nn.Dense(6, 3, "tanh"), loss=loss))
    kernel, b, c = model.encoder.kernel.data, model.encoder.bias.data, model.mirror[0].bias.data
    assert [param.shape for param in model.parameters()] == [(6, 3), (3,), (6,)]
    x = SOME.astype(np.float64)
    z = np.tanh(x @ kernel + b) @ kernel.T + c
    y = sigmoid(z) if loss == "cross_entropy" else z
    error = -x * np.log(y) - (1 - x) * np.log(1 - y) if loss == "cross_entropy" else (y - x) ** 2
    assert np.allclose(model(x).data, y)
    assert np.allclose(Reconstruction(model)(x).data, error.sum(axis=1, keepdims=True))


def test_a_deep_encoder_is_mirrored():
    encoder = nn.Sequential(nn.Flatten(), nn.Dense(6, 4, "relu"), nn.Dense(4, 3, "tanh"))
    model = in_float64(Autoencoder(encoder))
    (_, first, second), (below, out) = encoder, model.mirror
    x = SOME.astype(np.float64)
    code = np.tanh(np.maximum(x @ first.kernel.data + first.bias.data, 0) @ second.kernel.data + second.bias.data)
    hidden = np.maximum(code @ second.kernel.data.T + below.bias.data, 0)
    assert np.allclose(model(x).data, hidden @ first.kernel.data.T + out.bias.data)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
@pytest.mark.parametrize("tied", [True, False])
def test_gradients(loss, tied):
    encoder = nn.Sequential(nn.Dense(6, 4, "elu"), nn.Dense(4, 3, "sigmoid"))
    decoder = None if tied else nn.Dense(3, 6)
    model = in_float64(Autoencoder(encoder, decoder, loss=loss, activity_regularizer=kl_sparsity(0.2, 0.5)))
    objective, x = Reconstruction(model), SOME.astype(np.float64)

    def loss_now():
        return ops.mean(objective(x)) + objective.regularization_loss()

    loss_now().backward()
    for param in model.parameters():
        for index in list(np.ndindex(param.shape))[::2]:
            before, sides = param.data[index], []
            for step in (1e-6, -1e-6):
                param.data[index] = before + step
                sides.append(loss_now().item())
            param.data[index] = before
            assert param.grad[index] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_a_linear_autoencoder_finds_the_principal_subspace():
    # Baldi & Hornik 1989: no linear code of 2 numbers is better than the 2 largest principal components.
    minidnn.manual_seed(1)
    x = Generator(1).normal((200, 2)) @ Generator(2).normal((2, 6)) + 0.3 * Generator(3).normal((200, 6))
    x -= x.mean(axis=0)
    best = (np.linalg.svd(x.astype(np.float64), compute_uv=False)[2:] ** 2).sum() / len(x)
    for decoder in (None, nn.Dense(2, 6)):
        model = Autoencoder(nn.Dense(6, 2), decoder)
        optimizer = optim.Adam(model.parameters(), 0.02)
        history = pretraining.train(
            Reconstruction(model), x, optimizer=optimizer, epochs=600, batch_size=200, progress=False, valid=x
        )
        assert best * 0.999 < history["valid_loss"][-1] < best * 1.02


# Noise and sparsity


def test_masking():
    x = np.full((1000, 100), 0.7, np.float32)
    y = masking(0.3)(x, Generator(1))
    assert set(np.unique(y)) == {np.float32(0), np.float32(0.7)}
    assert abs((y == 0).mean() - 0.3) < 5 * np.sqrt(0.21 / x.size)
    assert np.array_equal(masking(0.0)(x, Generator(1)), x)


def test_gaussian_noise():
    noise = gaussian_noise(0.5)(SOME, Generator(1)) - SOME
    assert np.allclose(noise, Generator(1).normal(SOME.shape, std=0.5), atol=1e-6)
    assert gaussian_noise(0.5)(SOME.astype(np.float64), Generator(1)).dtype == np.float64


def test_noise_is_for_training_alone_and_is_undone():
    model = Autoencoder(nn.Dense(6, 3, "tanh"), corruption=masking(0.5), rng=Generator(1))
    objective = Reconstruction(model)
    corrupted = masking(0.5)(SOME, Generator(1))
    expected = ((model(corrupted).data - SOME) ** 2).sum(axis=1, keepdims=True)
    assert np.allclose(objective(SOME).data, expected, rtol=1e-5)
    clean = ((model(SOME).data - SOME) ** 2).sum(axis=1, keepdims=True)
    assert np.allclose(objective.eval()(SOME).data, clean, rtol=1e-5)
    assert model.rng.draw == 1


def test_kl_sparsity():
    h = SOME[:, :4].astype(np.float64)
    mean, t = h.mean(axis=0), 0.1
    expected = 2.0 * (t * np.log(t / mean) + (1 - t) * np.log((1 - t) / (1 - mean))).sum()
    assert kl_sparsity(0.1, 2.0)(Tensor(h)).item() == pytest.approx(expected)
    assert kl_sparsity(0.1)(Tensor(np.full((5, 4), 0.1))).item() == pytest.approx(0, abs=1e-12)
    assert minidnn.gradcheck(kl_sparsity(0.1, 2.0), [h])
    assert np.isfinite(kl_sparsity(0.1)(Tensor(np.array([[0.0, 1.0]]))).item())


def trained(x, epochs=3, threads=1, capture=True, **options):
    minidnn.manual_seed(2)
    kernels.set_num_threads(threads)
    model = Autoencoder(nn.Dense(784, 30, "sigmoid"), loss="cross_entropy", **options)
    optimizer = optim.Adam(model.parameters(), 0.003)
    history = pretraining.train(
        Reconstruction(model), x, optimizer=optimizer, epochs=epochs, batch_size=50, progress=False, capture=capture
    )
    return model, history


def test_sparse_units_are_quiet():
    x = MNIST[:500]
    loud, _ = trained(x, 10)
    quiet, _ = trained(x, 10, activity_regularizer=kl_sparsity(0.05, 100.0))
    means = [training.predict(model.encoder, x.images).mean() for model in (loud, quiet)]
    assert means[0] > 0.2 and abs(means[1] - 0.05) < 0.02
    small, _ = trained(x, 10, activity_regularizer=nn.l1(0.1))
    assert training.predict(small.encoder, x.images).mean() < means[0]


@pytest.mark.parametrize(
    "options",
    [{}, {"corruption": masking(0.3)}, {"corruption": gaussian_noise(0.3), "activity_regularizer": kl_sparsity()}],
    ids=["plain", "masking", "noise and sparsity"],
)
@pytest.mark.compiled
def test_the_same_bytes_captured_or_not_at_every_thread_count(options, caplog):
    caplog.set_level("INFO", "minidnn")
    x = MNIST[:230]

    def weights(**more):
        model, history = trained(x, **options, **more)
        assert history["loss"][-1] < history["loss"][0]
        return [array.tobytes() for array in model.state_dict().values()]

    alone = weights()
    assert not caplog.records
    assert weights(capture=False) == weights(threads=2) == weights(threads=3) == alone


# Stacks and files


def test_a_stack_is_the_parts_one_in_the_other():
    first, second = Autoencoder(nn.Dense(6, 4, "tanh")), Autoencoder(nn.Dense(4, 2, "relu"), loss="cross_entropy")
    third = Autoencoder(nn.Dense(2, 1), nn.Dense(1, 2, "relu"))
    model = stack([first, second, third])
    x = Tensor(SOME)
    code = third.encode(second.encode(first.encode(x)))
    assert np.array_equal(model.encode(x).data, code.data)
    assert np.array_equal(model(x).data, first.decode(second.decode(third.decode(code))).data)
    assert {id(param) for param in model.parameters()} == {
        id(param) for part in (first, second, third) for param in part.parameters()
    }
    with pytest.raises(ValueError, match="stack: autoencoders is empty"):
        stack([])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Autoencoder(nn.Dense(6, 3, "tanh"), corruption=masking(0.3), activity_regularizer=kl_sparsity(0.1)),
        lambda: Autoencoder(nn.Sequential(nn.Dense(6, 4, "elu"), nn.Dense(4, 3)), loss="cross_entropy"),
        lambda: Autoencoder(nn.Dense(6, 3), nn.Dense(3, 6), corruption=gaussian_noise(0.1), name="ae"),
    ],
    ids=["tied", "deep", "untied"],
)
def test_saved_and_loaded(tmp_path, make):
    model = make()
    for param in model.parameters():
        param.data[...] = Generator(3).normal(param.shape)
    minidnn.save(model, tmp_path / "model.safetensors")
    loaded = minidnn.load(tmp_path / "model.safetensors")
    assert repr(loaded) == repr(model)
    assert len(loaded.parameters()) == len(model.parameters())  # tied ones are tied again
    assert np.array_equal(loaded(SOME).data, model(SOME).data)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Autoencoder("dense"), TypeError, "encoder must be a Module, got str"),
        (lambda: Autoencoder(nn.Dense(3, 2), 3), TypeError, "decoder must be a Module, got int"),
        (lambda: Autoencoder(nn.ReLU()), ValueError, "no dense layer to tie a decoder to"),
        (lambda: Autoencoder(nn.Dense(3, 2), loss="l1"), ValueError, "loss must be one of squared, cross_entropy"),
        (
            lambda: Reconstruction(Autoencoder(nn.Dense(6, 2), nn.Dense(2, 5)))(SOME),
            ValueError,
            r"the decoder returns shape \(20, 5\), must return that of x, \(20, 6\)",
        ),
        (
            lambda: Reconstruction(Autoencoder(nn.Dense(6, 2), loss="cross_entropy"))(SOME + 1),
            ValueError,
            r"needs an x in \[0, 1\]",
        ),
        (lambda: pretraining.Transposed(nn.Dense(3, 2), "swish"), ValueError, "activation must be one of"),
        (lambda: pretraining.Transposed(nn.Dense(3, 2))(SOME), ValueError, r"must be \(batch, 2\)"),
        (lambda: masking(1.0), ValueError, r"rate must be in \[0, 1\)"),
        (lambda: gaussian_noise(-1), ValueError, "std must be finite"),
        (lambda: kl_sparsity(0.0), ValueError, r"target must be in \(0, 1\)"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
