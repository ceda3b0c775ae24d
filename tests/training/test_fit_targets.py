"""Every kind of target through fit, evaluate and predict: data sets, arrays, several inputs and outputs, frames."""

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, ops, optim, training

rng = np.random.default_rng(3)
X = rng.normal(size=(120, 5))
W = rng.normal(size=(5, 3))
SCORES = X @ W
BITS = (SCORES > 0).astype(np.int64)
SHARES = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)

# name -> (loss, outputs of the model, targets, default metrics)
TASKS = {
    "class numbers": (nn.softmax_cross_entropy, 3, SCORES.argmax(axis=1), ["accuracy"]),
    "class numbers of 32 bits": (nn.softmax_cross_entropy, 3, SCORES.argmax(axis=1).astype(np.int32), ["accuracy"]),
    "probabilities": (nn.softmax_cross_entropy, 3, SHARES, ["accuracy"]),
    "margins": (nn.multiclass_hinge, 3, SCORES.argmax(axis=1), ["accuracy"]),
    "two classes, one output": (nn.sigmoid_cross_entropy, 1, BITS[:, 0], ["accuracy"]),
    "booleans": (nn.sigmoid_cross_entropy, 1, BITS[:, 0] == 1, ["accuracy"]),
    "signs": (nn.hinge, 1, BITS[:, 0] * 2 - 1, ["accuracy"]),
    "several labels": (nn.sigmoid_cross_entropy, 3, BITS, ["accuracy"]),
    "soft labels": (nn.sigmoid_cross_entropy, 3, 0.8 * BITS + 0.1, ["accuracy"]),
    "a number": (nn.mean_squared_error, 1, SCORES[:, 0], ["mae", "r2"]),
    "a column": (nn.mean_absolute_error, 1, SCORES[:, :1].astype(np.float32), ["mae", "r2"]),
    "several numbers": (nn.huber, 3, SCORES, ["mae", "r2"]),
    "counts": (nn.mean_squared_error, 1, np.arange(120) % 7, ["mae", "r2"]),
}


def network(outputs, seed=1, hidden=8):
    generator = minidnn.Generator(seed)
    return nn.Sequential(
        nn.Dense(5, hidden, "relu", rng=generator), nn.BatchNorm(hidden), nn.Dense(hidden, outputs, rng=generator)
    )


def fit(model, *given, **options):
    optimizer = optim.Adam(model.parameters(), 0.02)
    options = {"epochs": 2, "batch_size": 25, "progress": False, "rng": minidnn.Generator(5)} | options
    return training.fit(model, *given, optimizer=optimizer, **options)


def weights(model):
    return [array.tobytes() for array in model.state_dict().values()]


@pytest.mark.parametrize("task", TASKS)
def test_every_target_trains_and_has_its_metrics(task):
    loss, outputs, y, metrics = TASKS[task]
    model = network(outputs)
    before = training.evaluate(model, (X, y), loss)
    history = fit(model, X, y, loss=loss, epochs=30, valid=(X, y))
    after = training.evaluate(model, (X, y), loss)
    assert after.loss < 0.8 * before.loss or after.loss < 0.1
    assert list(after.names) == ["loss", *metrics]
    for name in after.names:
        assert history[f"valid_{name}"][-1] == after[name] and np.isfinite(history[name]).all()
    assert getattr(after, metrics[0]) == after[metrics[0]]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("options", [{}, {"sample_weight": rng.uniform(0.5, 2, 120)}, {"accumulate": 3}], ids=str)
def test_a_captured_run_leaves_the_bytes_of_the_eager_one(task, options, caplog):
    loss, outputs, y, _ = TASKS[task]
    models = [network(outputs), network(outputs)]
    with caplog.at_level("INFO", "minidnn"):
        histories = [fit(m, X, y, loss=loss, capture=c, **options) for m, c in zip(models, (True, False), strict=True)]
    assert weights(models[0]) == weights(models[1]) and histories[0]["loss"] == histories[1]["loss"]
    assert not caplog.records  # nothing fell back to the eager loop


def test_fit_is_the_raw_loop_of_a_regression():
    y = SCORES[:, 0]
    model, raw = network(1), network(1)
    fit(model, data.ArrayDataset(X, y), loss=nn.mean_squared_error)
    optimizer, generator = optim.Adam(raw.parameters(), 0.02), minidnn.Generator(5)
    for _ in range(2):
        for x, t in data.batches(data.ArrayDataset(X, y), 25, generator):
            assert x.dtype == t.dtype == np.float32
            optimizer.zero_grad()
            nn.mean_squared_error(raw(x), t[:, np.newaxis]).backward()
            optimizer.step()
    assert weights(model) == weights(raw)


def test_ways_to_give_data_are_one():
    y = TASKS["class numbers"][2]
    dataset = data.ArrayDataset(X.astype(np.float32), y)
    models = [network(3) for _ in range(4)]
    for model, given in zip(models, [(dataset,), (X, y), ((X, y),), (X.tolist(), y.tolist())], strict=True):
        fit(model, *given)
    assert len({tuple(weights(model)) for model in models}) == 1
    results = [training.evaluate(models[0], given) for given in (dataset, (X, y))]
    assert results[0] == results[1]
    outputs = training.predict(models[0], dataset)
    assert outputs.dtype == np.float32
    for given in (X, X.astype(np.float32), (X, y), minidnn.Tensor(X)):
        assert np.array_equal(training.predict(models[0], given), outputs)
    assert np.array_equal(training.predict(models[0], X[7]), outputs[7])


def test_a_share_is_held_back_with_every_class():
    y = np.repeat([0, 1, 2], [60, 40, 20])
    model = network(3)
    seen = []

    class Look(training.Callback):
        def on_fit_begin(self, run):
            seen.append((np.bincount(run.train.y), np.bincount(run.valid.y), len(run.weights)))

    history = fit(model, X, y, valid=0.25, class_weight="balanced", callbacks=[Look()])
    (train, valid, weighted), *_ = seen
    assert train.tolist() == [45, 30, 15] and valid.tolist() == [15, 10, 5] and weighted == 90
    assert "valid_accuracy" in history.columns
    fit(network(1), X, SCORES[:, 0], loss=nn.mean_squared_error, valid=0.25)  # numbers are not stratified


def two_inputs():
    return nn.Graph(
        [
            nn.Node("a", nn.Dense(3, 4, "relu"), ["left"]),
            nn.Node("b", nn.Dense(2, 4, "relu"), ["right"]),
            nn.Node("sum", nn.functions.add(), ["a", "b"]),
            nn.Node("out", nn.Dense(4, 1), ["sum"]),
        ],
        inputs=["left", "right"],
    )


@pytest.mark.parametrize("options", [{}, {"sample_weight": np.ones(120)}, {"accumulate": 2}], ids=str)
def test_a_graph_takes_several_inputs(options):
    minidnn.manual_seed(1)
    model, inputs = two_inputs(), (X[:, :3], X[:, 3:])
    history = fit(model, inputs, SCORES[:, 0], loss=nn.mean_squared_error, epochs=40, valid=0.2, **options)
    assert history["valid_r2"][-1] > 0.5
    outputs = training.predict(model, inputs)
    assert outputs.shape == (120, 1)
    stacked = data.StackDataset(inputs, SCORES[:, 0])
    assert np.array_equal(training.predict(model, stacked), outputs)
    assert training.evaluate(model, stacked, nn.mean_squared_error).r2 > 0.5


class TwoHeads(nn.Module):
    def __init__(self):
        self.body, self.heads = nn.Dense(5, 8, "relu"), {"kind": nn.Dense(8, 3), "size": nn.Dense(8, 1)}

    def forward(self, x):
        h = self.body(x)
        return self.heads["kind"](h), self.heads["size"](h)


def both(outputs, y, weights=None):
    kind, size = outputs
    return nn.softmax_cross_entropy(kind, y[0], weights=weights) + nn.mean_squared_error(size, y[1], weights=weights)


@pytest.mark.parametrize("options", [{}, {"sample_weight": np.full(120, 0.5)}, {"accumulate": 2}], ids=str)
def test_a_tuple_of_targets_with_several_outputs(options):
    minidnn.manual_seed(1)
    model = TwoHeads()
    y = (SCORES.argmax(axis=1), SCORES[:, 0])

    def kinds(outputs, targets):
        return np.mean(outputs[0].argmax(axis=1) == targets[0])

    history = fit(model, X, y, loss=both, epochs=30, metrics=[kinds], valid=(X, y), **options)
    assert history["loss"][-1] < 0.5 * history["loss"][0] and history["valid_kinds"][-1] > 0.8
    assert [part.shape for part in training.predict(model, X)] == [(120, 3), (120, 1)]
    assert training.evaluate(model, (X, y), both, metrics={"kinds": kinds}).kinds == history["valid_kinds"][-1]


def test_a_data_set_of_ones_own_with_numbers():
    class Numbers(data.Dataset):
        def __init__(self):
            self.y = [float(value) for value in SCORES[:, 0]]

        def gather(self, order, change=None):
            return X[order].astype(np.float32)

        def checksums(self):
            return [1]

    model, like = network(1), network(1)
    fit(model, Numbers(), loss=nn.mean_squared_error, valid=Numbers())
    fit(like, X, SCORES[:, 0], loss=nn.mean_squared_error)
    assert weights(model) == weights(like)


def test_targets_keep_their_meaning_in_slices_subsets_and_sums():
    whole = data.ArrayDataset(X, (SCORES, BITS[:, 0]))
    part, subset = whole[10:20], data.Subset(whole, [10, 11, 12])
    assert np.array_equal(part.y[0], SCORES[10:20].astype(np.float32)) and np.array_equal(part.y[1], BITS[10:20, 0])
    assert np.array_equal(subset.y[0], part.y[0][:3])
    joined = whole[:10] + whole[10:]
    assert all(np.array_equal(a, b) for a, b in zip(joined.y, whole.y, strict=True))
    assert whole.checksums() != data.ArrayDataset(X, (SCORES, 1 - BITS[:, 0])).checksums()
    with pytest.raises(ValueError, match="targets must have one shape and dtype"):
        data.ArrayDataset(X, SCORES) + data.ArrayDataset(X, BITS)


def test_an_augmentation_may_change_targets():
    class Halves:
        changes_targets = True

        def __call__(self, x, y, examples, key):
            return 0.5 * (x + x[::-1]), (0.5 * (y + y[::-1])).astype(np.float64)

    one_hot = np.eye(3)[SCORES.argmax(axis=1)]
    model = network(3)
    assert np.isfinite(fit(model, X, one_hot, augment=Halves())["loss"]).all()
    x, y = next(data.batches(data.ArrayDataset(X, one_hot), 10, augment=Halves()))
    assert y.dtype == np.float32 and np.allclose(y, y[::-1]) and np.allclose(x, x[::-1])
    with pytest.raises(TypeError, match=r"changes_targets = True, and is called augment\(x, y, examples, key\)"):
        fit(network(3), X, one_hot, augment=lambda x, examples, key: (x, None))


def test_mixup_mixes_examples_and_targets():
    dataset = data.ArrayDataset(X, SCORES.argmax(axis=1))
    mixup = data.augment.Mixup(classes=3)
    (x, y), (plain, labels) = (next(data.batches(dataset, 30, minidnn.Generator(1), augment=a)) for a in (mixup, None))
    one_hot = np.eye(3)[labels]
    shares = (x - plain)[:, 0] / (np.roll(plain, 1, axis=0) - plain)[:, 0]
    assert (shares >= -1e-3).all() and (shares < 0.501).all() and shares.std() > 0.1
    assert np.allclose(x, plain + shares[:, None] * (np.roll(plain, 1, 0) - plain), atol=1e-3)
    assert np.allclose(y, one_hot + shares[:, None] * (np.roll(one_hot, 1, 0) - one_hot), atol=1e-2)
    history = fit(network(3), dataset, augment=mixup, epochs=20, valid=dataset, class_weight="balanced")
    assert history["valid_accuracy"][-1] > 0.8
    fit(network(1), X, SCORES[:, 0], loss=nn.mean_squared_error, augment=data.augment.Mixup(0.5))
    with pytest.raises(ValueError, match=r"classes must be given, Mixup\(classes=10\)"):
        fit(network(3), dataset, augment=data.augment.Mixup())


class Frame:
    """What pandas and Polars have in common."""

    def __init__(self, **columns):
        self.data, self.columns = columns, list(columns)

    def __getitem__(self, name):
        column = self.data[name]

        class Column:
            def to_numpy(self):
                return np.array(column, dtype=object if any(value is None for value in column) else None)

        return Column()


def frames():
    yield Frame
    for name in ("pandas", "polars"):
        try:
            yield __import__(name).DataFrame
        except ImportError:
            continue


@pytest.mark.parametrize("make", list(frames()), ids=lambda make: make.__module__.split(".")[0])
def test_frames(make):
    def frame(**columns):
        return make(**columns) if make is Frame else make(columns)

    df = frame(
        size=[1, 2, 3], port=["b", "a", "b"], heavy=[True, False, True], kind=["cat", "dog", "cat"], price=[1.5, 2, 4]
    )
    train = data.from_frame(df, "kind", categories=["port"], ignore=["price"])
    assert train.columns == ("size", "port=a", "port=b", "heavy") and train.classes == ("cat", "dog")
    assert train.x.tolist() == [[1, 0, 1, 1], [2, 1, 0, 0], [3, 0, 1, 1]] and train.y.tolist() == [0, 1, 0]
    prices = data.from_frame(df, "price", categories=["port", "kind"])
    assert prices.y.dtype == np.float32 and prices.y.tolist() == [1.5, 2, 4] and prices.classes == ()
    assert data.from_frame(df, ["price", "size"], ignore=["port", "kind"]).y.shape == (3, 2)
    second = frame(size=[5], port=["a"], heavy=[False], kind=["dog"])
    test = data.from_frame(second, "kind", categories=["port"], like=train)
    assert test.columns == train.columns and test.y.tolist() == [1] and test.x.tolist() == [[5, 1, 0, 0]]
    for other, message in [
        (frame(size=[5], port=["c"], heavy=[False], kind=["dog"]), "column 'port' has 'c', which like has not"),
        (frame(size=[5], port=["a"], heavy=[False], kind=["emu"]), "the label 'kind' has 'emu', which like has not"),
        (
            frame(size=[None, 5], port=["a", "b"], heavy=[False, True], kind=["dog", "cat"]),
            "row 0, column 'size' is miss",
        ),
        (frame(size=[5], port=["a"], kind=["dog"]), "df has no column 'heavy', which like has"),
    ]:
        with pytest.raises(ValueError, match=message):
            data.from_frame(other, "kind", categories=["port"], like=train)
    with pytest.raises(TypeError, match=r"column 'port' .* must be numbers; name it in categories="):
        data.from_frame(df, "price")
    with pytest.raises(ValueError, match="must have one column 'cost', it has size, port"):
        data.from_frame(df, "cost")
    numbers = frame(a=X[:, 0].tolist(), b=X[:, 1].tolist())
    model = nn.Dense(2, 1)
    fit(model, numbers, SCORES[:, 0], loss=nn.mean_squared_error)
    assert np.array_equal(training.predict(model, numbers), training.predict(model, X[:, :2]))


def test_a_loss_of_ones_own_with_integers_has_accuracy_as_it_can():
    def loss(outputs, labels):
        return nn.sigmoid_cross_entropy(outputs, np.asarray(labels)[:, np.newaxis])

    model = network(1)
    history = fit(model, X, BITS[:, 0], loss=loss, epochs=10)
    outputs = training.predict(model, X)
    assert training.evaluate(model, (X, BITS[:, 0]), loss).accuracy == np.mean((outputs[:, 0] > 0) == BITS[:, 0])
    assert 0 < history["accuracy"][-1] <= 1
    wide = nn.Dense(5, 1)
    assert np.isfinite(fit(wide, X, BITS[:, 0], loss=lambda o, y: ops.mean(o * o))["loss"]).all()
