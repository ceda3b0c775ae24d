"""Options of fit: weights, clipping, accumulation, hooks, monitored columns, logs, the best model, resuming."""

import csv
from functools import partial

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, optim, schedules, training

rng = np.random.default_rng(3)
X = rng.normal(size=(96, 5)).astype(np.float32)
LABELS = rng.integers(0, 3, 96)
NUMBERS = (X @ rng.normal(size=5)).astype(np.float32)


def network(outputs=3):
    generator = minidnn.Generator(1)
    return nn.Sequential(nn.Dense(5, 8, "relu", rng=generator), nn.Dense(8, outputs, rng=generator))


def fit(model, *given, lr=0.1, **options):
    options = {"epochs": 2, "batch_size": 16, "progress": False, "rng": minidnn.Generator(5)} | options
    optimizer = options.pop("optimizer", None) or optim.SGD(model.parameters(), lr, momentum=0.9)
    return training.fit(model, *(given or (X, LABELS)), optimizer=optimizer, **options)


def weights(model):
    return {path: array.copy() for path, array in model.state_dict().items()}


def same(a, b):
    return all(np.array_equal(a[path], b[path]) for path in a)


def near(a, b):
    return all(np.allclose(a[path], b[path], rtol=1e-4, atol=1e-6) for path in a)


# Weights


def test_a_weight_of_2_is_the_example_twice():
    counts = rng.integers(1, 4, 96)
    twice = np.repeat(np.arange(96), counts)
    weighted, repeated = network(), network()
    share = counts.sum() / 96  # the mean is over other numbers of examples
    fit(weighted, sample_weight=counts, batch_size=96, epochs=5)
    fit(repeated, X[twice], LABELS[twice], batch_size=len(twice), epochs=5, lr=0.1 * share)
    assert near(weights(weighted), weights(repeated))


def test_ways_to_weigh_classes_are_one():
    from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

    balanced = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    dataset = data.ArrayDataset(X, LABELS, ["cat", "dog", "emu"])
    ways = [
        {"class_weight": "balanced"},
        {"sample_weight": "balanced"},
        {"class_weight": balanced},
        {"class_weight": dict(enumerate(balanced))},
        {"class_weight": dict(zip(dataset.classes, balanced, strict=True))},
        {"sample_weight": compute_sample_weight("balanced", LABELS)},
    ]
    models = [network() for _ in ways]
    for model, way in zip(models, ways, strict=True):
        fit(model, dataset, **way)
    assert all(same(weights(models[0]), weights(model)) for model in models)
    plain = network()
    fit(plain, dataset, class_weight={0: 1})
    unweighted = network()
    fit(unweighted, dataset)
    assert near(weights(plain), weights(unweighted)) and not near(weights(plain), weights(models[0]))


def test_weights_do_not_reach_metrics_and_validation():
    histories = [fit(network(), valid=(X, LABELS), sample_weight=w, lr=0.0) for w in (None, np.full(96, 3.0))]
    for column in ("accuracy", "valid_loss", "valid_accuracy"):
        assert histories[0][column] == histories[1][column]
    assert histories[1]["loss"][0] == pytest.approx(3 * histories[0]["loss"][0], rel=1e-5)


# Accumulation, clipping, hooks, sizes


@pytest.mark.parametrize("capture", [True, False])
def test_accumulated_batches_are_one_large_batch(capture):
    pieces, whole = network(), network()
    penalized = [nn.l2(0.01), nn.l2(0.01)]
    for model in (pieces, whole):
        for layer, penalty in zip(model, penalized, strict=True):
            layer.kernel.regularizer = penalty
    a = fit(pieces, batch_size=10, accumulate=4, capture=capture)  # 96 = 2 * 40 + 16
    b = fit(whole, batch_size=40, capture=capture)
    assert a["step"] == b["step"] == [3, 6]
    assert near(weights(pieces), weights(whole))
    assert a["loss"] == pytest.approx(b["loss"], rel=1e-5) and a["accuracy"] == b["accuracy"]


class Norms(training.Callback):
    """The norm of the gradients before they are clipped, and of the update."""

    def __init__(self):
        self.norms, self.largest = [], []

    def on_gradients(self, run):
        grads = [param.grad for param in run.model.parameters()]
        self.norms.append(float(np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in grads))))
        self.largest.append(max(float(np.abs(g).max()) for g in grads))


@pytest.mark.parametrize("hooked", [True, False])
@pytest.mark.parametrize("clip", [{"clip_norm": 0.05}, {"clip_value": 0.01}], ids=str)
def test_gradients_are_clipped_between_hook_and_update(clip, hooked):
    model, raw, look = network(), network(), Norms()
    fit(model, **clip, callbacks=[look] if hooked else [])
    optimizer, generator = optim.SGD(raw.parameters(), 0.1, momentum=0.9), minidnn.Generator(5)
    for _ in range(2):
        for x, y in data.batches(data.ArrayDataset(X, LABELS), 16, generator):
            optimizer.zero_grad()
            nn.softmax_cross_entropy(raw(x), y).backward()
            if "clip_norm" in clip:
                optim.clip_by_global_norm(raw.parameters(), 0.05)
            else:
                optim.clip_by_value(raw.parameters(), 0.01)
            optimizer.step()
    assert same(weights(model), weights(raw))
    if hooked:
        assert len(look.norms) == 12 and min(look.norms) > 0.05 and min(look.largest) > 0.01


def test_a_hook_may_change_gradients():
    class Nothing(training.Callback):
        def on_gradients(self, run):
            for param in run.model.parameters():
                param.grad = np.zeros_like(param.grad)

    model = network()
    before = weights(model)
    fit(model, callbacks=[Nothing()])
    assert same(before, weights(model))


def test_the_last_small_batch_is_left_out():
    sizes = []

    class Sizes(training.Callback):
        def on_step_end(self, run):
            sizes.append(run.position.seen)

    history = fit(network(), batch_size=40, drop_last=True, callbacks=[Sizes()])
    assert sizes == [40, 80, 40, 80] and history["step"] == [2, 4]


# Callbacks in one ordered list, columns that can be watched


def test_callbacks_are_called_in_the_order_of_their_places(tmp_path):
    seen = []

    class Mark(training.Callback):
        def __init__(self, name):
            self.name = name

        def on_fit_begin(self, run):
            seen.append([type(callback).__name__ for callback in run.callbacks])

        def on_step_end(self, run):
            seen.append(self.name)

    fit(
        network(), epochs=1, batch_size=96, progress=True,
        callbacks=[
            training.Checkpoint(tmp_path), Mark("a"), training.EarlyStopping(monitor="loss", every=None), Mark("b"),
        ],
    )  # fmt: skip
    assert seen[0] == ["Mark", "EarlyStopping", "Mark", "Progress", "Checkpoint"] and seen[-2:] == ["a", "b"]
    assert repr(training.EarlyStopping(patience=3)).startswith("EarlyStopping(monitor='valid_loss', mode='auto'")


class Third(training.Callback):
    """Adds a column that falls, then rises."""

    def __init__(self, tells):
        self.tells = tells

    def on_epoch_end(self, run):
        run.row["mine_error"] = abs(run.epoch - 3)


class Told(Third):
    def columns(self, run):
        return ["mine_error"]


@pytest.mark.parametrize("kind", [Third, Told])
def test_any_column_can_be_watched(kind):
    stopping = training.EarlyStopping(monitor="mine_error", every=None, patience=2)
    history = fit(network(), epochs=9, callbacks=[kind(True), stopping])
    assert stopping.best_epoch == 3 and len(history) == 5
    with pytest.raises(ValueError, match="monitor is 'mine_eror', must be one of epoch, "):
        fit(network(), callbacks=[kind(True), training.ReduceOnPlateau(monitor="mine_eror", mode="min")])


def test_metrics_say_whether_they_rise():
    model = network(1)
    options = {"loss": nn.mean_squared_error, "valid": (X, NUMBERS), "epochs": 6, "lr": 0.01}
    watchers = [
        training.EarlyStopping(monitor=name, every=None, patience=9) for name in ("valid_r2", "valid_mae", "lr")
    ]
    watchers[2].mode = "max"
    history = fit(model, X, NUMBERS, callbacks=watchers, **options)
    assert watchers[0].best == max(history["valid_r2"]) and watchers[1].best == min(history["valid_mae"])
    assert watchers[2].best == 0.01
    looked = training.EarlyStopping(monitor="valid_mae", every=2, patience=100)
    fit(network(1), X, NUMBERS, callbacks=[looked], **options)
    assert 0 < looked.best < 10


def test_an_average_that_begins_late_can_be_monitored_and_logged(tmp_path):
    log = tmp_path / "log.csv"
    watch = training.EarlyStopping(monitor="average_valid_loss", every=None)
    callbacks = [training.AverageWeights(every=1, start=14), watch, training.CSVLogger(log)]
    history = fit(network(), epochs=4, valid=(X, LABELS), callbacks=callbacks)
    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert [row["average_valid_loss"] != "" for row in rows] == [False, False, True, True]
    assert float(rows[3]["average_valid_accuracy"]) == history["average_valid_accuracy"][3]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4] and len(history) == 4
    assert watch.best == min(history["average_valid_loss"][2:])


@pytest.mark.parametrize("own", [False, True])
def test_the_best_model_is_in_a_file(own, tmp_path):
    class Own(nn.Module):
        def __init__(self):
            self.body = network()

        def forward(self, x):
            return self.body(x)

    model = Own() if own else network()
    best = tmp_path / "best" / "model.safetensors"
    checkpoint = training.Checkpoint(tmp_path / "run", monitor="valid_accuracy", best=best)
    history = fit(model, epochs=6, lr=0.5, valid=(X, LABELS), callbacks=[checkpoint])
    if own:
        from safetensors.numpy import load_file

        found = Own()
        found.load_state_dict(load_file(best))
    else:
        found = minidnn.load(best)
    assert training.evaluate(found, (X, LABELS)).accuracy == max(history["valid_accuracy"])
    with pytest.raises(ValueError, match="best needs monitor"):
        training.Checkpoint(tmp_path, best=best)
    with pytest.raises(ValueError, match="Checkpoint: monitor is 'valid_loss', which needs a validation set; give fit"):
        fit(network(), callbacks=[training.Checkpoint(tmp_path / "none", monitor="valid_loss")])


# Resuming


def test_a_cut_run_with_all_options_ends_with_the_same_bytes(tmp_path):
    from sklearn.metrics import f1_score

    class Cut(training.Callback):
        observer = True

        def on_step_end(self, run):
            if run.step == 5:
                run.stop("interrupted")

    def run(folder, resume=False, cut=False):
        minidnn.manual_seed(2)
        model = nn.Sequential(nn.Dense(5, 8, "relu"), nn.Dropout(0.2), nn.Dense(8, 3))
        metrics = {"accuracy": nn.accuracy, "f1": lambda o, t: f1_score(t, o.argmax(axis=1), average="macro")}
        checkpoint = training.Checkpoint(folder, every=1, monitor="valid_f1", mode="max")
        history = training.fit(
            model, X, LABELS, optimizer=optim.Adam(model.parameters(), 0.01), epochs=4, batch_size=10, valid=0.2,
            metrics=metrics, class_weight="balanced", accumulate=3, clip_value=0.1, progress=False,
            callbacks=[checkpoint, *([Cut()] if cut else [])], resume=folder if resume else None,
            on_interrupt="stop",
        )  # fmt: skip
        best = folder / "best.safetensors"
        rows = [{k: v for k, v in row.items() if "second" not in k} for row in history.rows]
        return weights(model), rows, best.read_bytes() if best.exists() else b""

    whole = run(tmp_path / "whole")
    run(tmp_path / "cut", cut=True)
    again = run(tmp_path / "cut", resume=True)
    assert same(whole[0], again[0]) and whole[1:] == again[1:]


OTHERS = {
    "lr": ({"lr": 0.01}, "lr is 0.01, was 0.1"),
    "schedule": ({"lr": schedules.constant(0.1)}, r"lr is constant\(lr=0.1\), was 0.1"),
    "momentum": ({"momentum": 0.5}, "optimizer.momentum is 0.5, was 0.9"),
    "nesterov": ({"nesterov": True}, "optimizer.step is nesterov_step, was momentum_step"),
    "loss": ({"loss": nn.multiclass_hinge}, "loss is multiclass_hinge, was softmax_cross_entropy"),
    "smoothing": (
        {"loss": partial(nn.softmax_cross_entropy, label_smoothing=0.1)},
        r"loss is softmax_cross_entropy with .*'label_smoothing': 0.1.*, was softmax_cross_entropy",
    ),
    "weights": ({"class_weight": "balanced"}, r"weights is float32\(.*, was None"),
    "clipping": ({"clip_norm": 1.0}, "clip_norm is 1.0, was None"),
    "accumulation": ({"accumulate": 2}, "accumulate is 2, was 1"),
    "metrics": ({"metrics": []}, r"metrics is \[\], was \['accuracy'\]"),
    "targets": ({"y": LABELS[::-1]}, "data is 96 examples"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_arguments_are_named_at_resume(what, tmp_path):
    def run(resume, lr=0.1, momentum=0.9, nesterov=False, y=LABELS, **options):
        model = network()
        optimizer = optim.SGD(model.parameters(), lr, momentum=momentum, nesterov=nesterov)
        return fit(
            model, X, y, optimizer=optimizer, callbacks=[training.Checkpoint(tmp_path)],
            resume=tmp_path if resume else None, **options,
        )  # fmt: skip

    run(False)
    options, message = OTHERS[what]
    with pytest.raises(training.ResumeError, match=f"is from another run: {message}"):
        run(True, **options)
    assert len(run(True, epochs=3)) == 3  # more epochs are allowed
