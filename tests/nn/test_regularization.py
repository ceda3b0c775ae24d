"""Penalties, dropout and its variants, normalization, skip connections, and the recipe that combines them."""

import math

import numpy as np
import pytest

import minidnn
from minidnn import nn

# Penalties


def test_penalties_touch_weights_only_and_add_up():
    model = nn.Sequential(
        nn.Dense(3, 2, kernel_regularizer=nn.l1(0.5), bias_initializer="ones"),
        nn.Dense(2, 2, kernel_regularizer=nn.l1_l2(0.1, 0.2), bias_regularizer=nn.l2(3.0), bias_initializer="ones"),
    )
    first, second = (layer.kernel.data.astype(np.float64) for layer in model)
    expected = 0.5 * np.abs(first).sum() + 0.1 * np.abs(second).sum() + 0.2 * (second**2).sum() + 3.0 * 2
    loss = model.regularization_loss()
    assert model.is_regularized and loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    assert np.allclose(model[0].kernel.grad, 0.5 * np.sign(first)) and model[0].bias.grad is None
    assert np.allclose(model[1].bias.grad, 6.0)


def test_a_model_without_penalties_has_a_loss_of_zero():
    model = nn.Sequential(nn.Dense(6, 5, activation="relu"), nn.Dense(5, 3))
    assert not model.is_regularized and model.regularization_loss().item() == 0


def test_activity_penalties_are_collected_once_and_only_in_training():
    layer = nn.Dense(3, 2, activity_regularizer=nn.l2(1.0))
    x = np.ones((4, 3), np.float32)
    y = layer(x)
    assert layer.regularization_loss().item() == pytest.approx((y.data**2).sum(), rel=1e-6)
    assert layer.regularization_loss().item() == 0
    layer.eval()(x)
    assert layer.regularization_loss().item() == 0


def test_fit_adds_the_penalties():
    def shrunk(**options):
        minidnn.manual_seed(1)
        model = nn.Sequential(nn.Dense(784, 10, **options))
        train = minidnn.data.load_mnist().train[:500]
        optimizer = minidnn.optim.SGD(model.parameters(), 0.05)
        minidnn.training.fit(model, train, optimizer=optimizer, epochs=2, batch_size=50, progress=False)
        return np.abs(model[0].kernel.data).sum()

    assert shrunk(kernel_regularizer=nn.l1(0.05)) < 0.5 * shrunk()


@pytest.mark.parametrize(
    "make", [lambda: nn.l1(-1), lambda: nn.l2(math.nan), lambda: nn.l1_l2(0, -1), lambda: nn.max_norm(0)]
)
def test_penalties_and_constraints_refuse(make):
    with pytest.raises(ValueError, match="must be"):
        make()
    with pytest.raises(ValueError, match="axis must be 0 or 1"):
        nn.max_norm(1.0, axis=2)


# Variants of dropout


def test_scale_at_test_is_the_other_form_of_the_same():
    layer = nn.Dropout(0.25, mode="scale_at_test", rng=minidnn.Generator(3))
    x = np.full((200, 200), 8.0, np.float32)
    y = layer(x).data
    assert np.all((y == 0) | (np.abs(y - 8) < 1e-5)) and 0.7 < (y > 0).mean() < 0.8
    assert np.all(layer.eval()(x).data == 6.0)


def test_alpha_dropout_keeps_mean_and_variance():
    layer = nn.AlphaDropout(0.2, rng=minidnn.Generator(3))
    x = minidnn.Generator(4).normal((1000, 1000))
    y = layer(x).data
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.01
    assert np.array_equal(layer.eval()(x).data, x)


def test_drop_connect_drops_weights():
    layer = nn.DropConnect(nn.Dense(50, 40, rng=minidnn.Generator(1)), 0.5, rng=minidnn.Generator(2))
    seen = layer(np.eye(50, dtype=np.float32)).data  # the masked kernel itself
    kernel = layer.dense.kernel.data
    assert set(np.unique((seen / kernel).round(4))) == {0.0, 2.0}
    assert np.allclose(layer.eval()(np.eye(50, dtype=np.float32)).data, kernel)


# Normalization


def test_batch_norm_normalizes_and_remembers():
    layer = nn.BatchNorm(3, momentum=0.75, eps=1e-5)
    x = minidnn.Generator(1).normal((500, 3), mean=5.0, std=2.0)
    y = layer(x).data
    assert np.allclose(y.mean(axis=0), 0, atol=1e-5) and np.allclose(y.std(axis=0), 1, atol=1e-3)
    assert np.allclose(layer.running_mean.data, 0.25 * x.mean(axis=0), rtol=1e-5)
    assert np.allclose(layer.running_var.data, 0.75 + 0.25 * x.var(axis=0), rtol=1e-4)
    for _ in range(60):
        layer(x)
    assert np.allclose(layer.eval()(x).data, y, atol=1e-3)


def test_a_frozen_batch_norm_does_not_move_a_byte():
    layer = nn.BatchNorm(3)
    layer.gamma.requires_grad = layer.beta.requires_grad = False
    before = layer.state_dict()
    x = minidnn.Tensor(minidnn.Generator(1).normal((50, 3), mean=5.0), requires_grad=True)
    layer(x).sum().backward()
    assert all(before[path].tobytes() == array.tobytes() for path, array in layer.state_dict().items())
    assert np.allclose(x.grad, 1 / math.sqrt(1 + layer.eps))


def test_layer_norm_normalizes_rows():
    y = nn.LayerNorm(50)(minidnn.Generator(1).normal((7, 50), mean=3.0, std=4.0)).data
    assert np.allclose(y.mean(axis=1), 0, atol=1e-5) and np.allclose(y.var(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("layer", [nn.BatchNorm(3), nn.LayerNorm(3)])
@pytest.mark.parametrize("shape", [(4, 2), (3,), (0, 3)])
def test_normalization_refuses_other_shapes(layer, shape):
    with pytest.raises(ValueError, match="x has shape"):
        layer(np.ones(shape, np.float32))


# Skip connections


def test_skips_go_around_their_block():
    block = nn.Dense(3, 3, kernel_initializer="zeros")
    x = minidnn.Generator(1).normal((4, 3))
    assert np.array_equal(nn.Residual(block)(x).data, x)
    assert np.array_equal(nn.SkipConcat(block)(x).data, np.concatenate([x, np.zeros((4, 3))], axis=1))
    with pytest.raises(ValueError, match=r"turns shape \(4, 3\) into \(4, 2\)"):
        nn.Residual(nn.Dense(3, 2))(x)


def test_a_hundred_residual_layers_pass_the_gradient_on():
    minidnn.manual_seed(1)
    x = minidnn.Generator(1).normal((8, 16))

    def first_gradient(wrap):
        blocks = [wrap(nn.Dense(16, 16, "tanh", kernel_initializer=nn.initializers.constant(0.02))) for _ in range(100)]
        model = nn.Sequential(*blocks)
        model(x).sum().backward()
        return np.abs(model.parameters()[0].grad).max()

    assert first_gradient(lambda block: block) < 1e-30 < 1e-3 < first_gradient(nn.Residual)


# Recipes


def test_default_dnn_is_the_default_of_the_chapter():
    model = minidnn.recipes.default_network(784, [300, 100], 10, dropout=0.5, kernel_constraint=nn.max_norm(1.0))
    assert [name for name, _ in model.children()] == [
        "dropout0", "hidden1", "norm1", "act1", "dropout1", "hidden2", "norm2", "act2", "dropout2", "outputs",
    ]  # fmt: skip
    assert model[1].kernel_initializer == "he_normal" and isinstance(model[3], nn.ELU)
    assert training_step_lowers_loss(model)
    plain = minidnn.recipes.default_network(784, [30], 10, batch_norm=False, activation="relu")
    assert [type(layer) for layer in plain] == [nn.Dense, nn.Dense] and plain[0].activation == "relu"
    with pytest.raises(ValueError, match=r"hidden is \[\], must be"):
        minidnn.recipes.default_network(784, [], 10)


def training_step_lowers_loss(model):
    x, y = minidnn.Generator(1).uniform((50, 784)), np.arange(50) % 10
    optimizer = minidnn.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < 0.5 * losses[0]
