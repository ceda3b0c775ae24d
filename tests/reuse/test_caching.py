"""Cached outputs of a frozen part: the same bytes as without a cache; a stale cache is refused."""

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, pretraining, reuse, training
from minidnn.activations import ALPHA

MNIST = data.load_mnist()
TRAIN, VALID = MNIST.train[:330], MNIST.valid[:130]


def network():
    return nn.Sequential(
        nn.Dropout(0.2, name="drop"),
        nn.Dense(784, 37, "elu", name="hidden1"),
        nn.BatchNorm(37, name="norm"),
        nn.Dense(37, 21, name="hidden2"),
        nn.Softmax(name="shares"),
        nn.LayerNorm(21, name="rows"),
        nn.Residual(nn.Dense(21, 21, "sigmoid"), name="block"),
        nn.Dense(21, 15, "tanh", name="hidden3"),
        nn.Dropout(0.3, name="drop3"),
        nn.Dense(15, 10, name="outputs"),
    )


@pytest.fixture
def model():
    minidnn.manual_seed(1)
    model = network()
    reuse.freeze(model.layers[:7])
    return model


@pytest.mark.compiled
@pytest.mark.parametrize("batch_size", [1, 7, 50, 330])
def test_training_on_the_cache_gives_the_bytes_of_training_on_the_data(batch_size):
    ends = []
    for cached in (True, False):
        minidnn.manual_seed(1)
        model, train, valid = network(), TRAIN, VALID
        reuse.freeze(model.layers[:7])
        if cached:
            train, valid = reuse.cache_frozen(model, train), reuse.cache_frozen(model, valid)
        part = train.top if cached else model
        history = training.fit(
            part,
            train,
            valid=valid,
            optimizer=optim.Adam(part.parameters(), 0.01),
            epochs=2,
            batch_size=batch_size,
            progress=False,
        )
        rows = [{name: value for name, value in row.items() if "second" not in name} for row in history.rows]
        ends.append((rows, {path: value.tobytes() for path, value in model.state_dict().items()}))
    assert ends[0] == ends[1]


@pytest.mark.compiled
@pytest.mark.parametrize("layer", ["dense", *ALPHA, "Softmax", "BatchNorm", "LayerNorm", "PReLU", "SELU"])
def test_the_output_of_an_example_does_not_depend_on_its_batch(layer):
    minidnn.manual_seed(2)
    if layer == "dense":
        made = nn.Dense(300, 33)
    elif layer in ALPHA:
        made = nn.Dense(300, 33, layer)
    else:
        made = getattr(nn, layer)(*([300] if layer in ("BatchNorm", "LayerNorm", "PReLU") else []))
    reuse.freeze(made) if made.parameters() else None
    x = minidnn.Generator(3).normal((1000, 300))
    whole = made(x).data
    for rows in (slice(0, 1), slice(999, 1000), slice(3, 20), slice(500, 563), np.array([7, 990, 7, 0, 512])):
        assert made(x[rows]).data.tobytes() == whole[rows].tobytes()


def test_a_cache_is_a_data_set_of_the_outputs(model):
    cached = reuse.cache_frozen(model, TRAIN)
    assert [name for name, _ in cached.lower.children()][-1] == "block"
    assert [name for name, _ in cached.top.children()] == ["hidden3", "drop3", "outputs"]
    assert cached.top.layers[0] is model.layers[7]
    assert len(cached) == 330 and cached.x.shape == (330, 21) and cached.x.dtype == np.float32
    assert cached[5:7].x.tobytes() == cached.x[5:7].tobytes() and cached[5:7].y.tolist() == TRAIN.y[5:7].tolist()
    assert repr(cached) == "CachedDataset(330 examples, x (330, 21) float32)"
    with pytest.raises(ValueError, match="read-only"):
        cached.x[0, 0] = 1
    with pytest.raises(TypeError, match="takes slices, got int"):
        cached[3]


def test_a_cache_of_a_cache(model):
    cached = reuse.cache_frozen(model, TRAIN)
    reuse.freeze(cached.top, "hidden3", "drop3")
    again = reuse.cache_frozen(cached.top, cached)
    expected = model[:9].eval()(TRAIN.images).data
    np.testing.assert_allclose(again.x, expected, rtol=1e-6)


def test_inputs_of_indices_and_of_pairs_are_cached():
    words = data.ArrayDataset(np.arange(24).reshape(6, 4) % 9, np.arange(6) % 3)
    bag = nn.Sequential(nn.EmbeddingBag(9, 5), nn.Dense(5, 3))
    pairs = data.ArrayDataset(np.ones((6, 2, 7), np.float32), np.arange(6) % 2, keep_axes=True)
    towers = nn.Sequential(
        nn.Tanh(), pretraining.auxiliary.TwoTower(nn.Dense(7, 4), pretraining.auxiliary.Difference(4))
    )
    for model, dataset in ((bag, words), (towers, pairs)):
        reuse.freeze(model.layers[0])
        cached = reuse.cache_frozen(model, dataset)
        outputs = model[:1].eval()(dataset.inputs).data
        for x in (cached.x, cached.gather(np.arange(6)), cached[:].inputs):
            assert np.array_equal(x, outputs)


def one_weight(model):
    model.layers[1].kernel.data[400, 20] += 1e-3  # one of 29,008: a check of samples could miss it


CHANGES = {
    "a weight by hand": (one_weight, "hidden1.kernel was changed"),
    "a statistic by hand": (lambda m: m.layers[2].running_var.data.__setitem__(3, 2.0), "norm.running_var was changed"),
    "loaded weights": (lambda m: m.load_state_dict(m.state_dict()), "the frozen layers were changed"),
    "new arrays": (lambda m: m.load_state_dict(m.state_dict(), assign=True), "the frozen layers were changed"),
    "an attribute": (lambda m: setattr(m.layers[2], "eps", 0.1), "the frozen layers were changed"),
    "thawed": (lambda m: reuse.unfreeze(m, "hidden2"), "layer 'hidden2' is no longer frozen"),
    "a parameter thawed": (lambda m: reuse.unfreeze(m, "hidden2.bias"), "layer 'hidden2' is no longer frozen"),
    "dropout thawed": (lambda m: reuse.unfreeze(m, "drop"), "layer 'drop' is no longer frozen"),
    "another layer": (lambda m: m.layers.__setitem__(3, nn.Dense(37, 21)), "lower layers were replaced"),
    "no layers": (lambda m: m.layers.clear(), "lower layers were replaced"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_stale_cache_is_refused(model, name):
    change, message = CHANGES[name]
    cached = reuse.cache_frozen(model, TRAIN)
    change(model)
    optimizer = optim.SGD(cached.top.parameters(), 0.1)
    with pytest.raises(reuse.StaleCacheError, match=message):
        training.fit(cached.top, cached, optimizer=optimizer, epochs=1, batch_size=50, progress=False)
    if "by hand" not in name:
        with pytest.raises(reuse.StaleCacheError, match=message):
            training.evaluate(cached.top, cached)


def test_changed_data_is_refused_until_refreshed(model):
    own = data.ArrayDataset(TRAIN.x.copy(), TRAIN.y)
    cached = reuse.cache_frozen(model, own)
    before = cached.x.copy()
    own.x[329, 400] ^= 1
    with pytest.raises(
        reuse.StaleCacheError, match="the data set was changed since its outputs were computed; call refresh"
    ):
        next(data.batches(cached, 50))
    cached.refresh()
    assert (cached.x != before).any(axis=1).nonzero()[0].tolist() == [329]


def test_changes_that_do_not_affect_the_outputs_are_allowed(model):
    cached = reuse.cache_frozen(model, TRAIN)
    model.train()
    model.regularization_loss()
    model.layers[9].rate = 0.1
    reuse.freeze(model, "hidden3")
    assert cached.x.shape == (330, 21)
    training.predict(model.eval(), VALID.images)
    assert len(cached[:10]) == 10


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: reuse.cache_frozen(m.layers[0], TRAIN), TypeError, "model must be a Sequential, got Dropout"),
        (lambda m: reuse.cache_frozen(m, TRAIN.x), TypeError, "dataset must be an ArrayDataset, got ndarray"),
        (lambda m: reuse.cache_frozen(m, TRAIN[:0]), ValueError, "the data set is empty"),
        (lambda m: reuse.cache_frozen(m[7:], TRAIN), ValueError, "the lowest layer, .*hidden3.* is not frozen"),
        (lambda m: reuse.cache_frozen(m[:7], TRAIN), ValueError, "every layer is frozen"),
        (lambda m: reuse.cache_frozen(nn.Sequential(), TRAIN), ValueError, "every layer is frozen"),
    ],
)
def test_models_and_data_that_cannot_be_cached_are_refused(model, call, error, message):
    with pytest.raises(error, match=message):
        call(model)


def test_training_the_top_trains_the_whole_model(model):
    cached = reuse.cache_frozen(model, TRAIN)
    optimizer = optim.Adam(cached.top.parameters(), 0.01)
    training.fit(cached.top, cached, optimizer=optimizer, epochs=1, batch_size=50, progress=False)
    on_cache, whole = training.evaluate(cached.top, cached), training.evaluate(model, TRAIN)
    assert on_cache.loss == pytest.approx(whole.loss, rel=1e-6) and on_cache.accuracy == whole.accuracy
