"""Pretraining layer by layer: what is trained, on which inputs, and what stays unchanged."""

import numpy as np
import pytest

import minidnn
from minidnn import data, kernels, nn, optim, training
from minidnn.pretraining import masking, pretrain_and_finetune, pretrain_layers

MNIST = data.load_mnist()
FEW = MNIST.train[:300]
QUIET = {"progress": False, "epochs": 2, "batch_size": 50}


def network(activation="sigmoid", seed=1):
    minidnn.manual_seed(seed)
    return nn.Sequential(
        nn.Dense(784, 20, activation, name="low"),
        nn.Dense(20, 15, activation, name="high"),
        nn.Dense(15, 10, name="outputs"),
    )


class Spy(training.Callback):
    """Records the inputs of a layer's run."""

    def __init__(self, model, name, runs):
        self.model, self.name, self.runs = model, name, runs

    def on_fit_begin(self, run):
        self.before = self.model.state_dict()

    def on_fit_end(self, run):
        after = self.model.state_dict()
        changed = {path for path, array in self.before.items() if not np.array_equal(array, after[path])}
        self.runs.append((self.name, run, changed))


@pytest.mark.parametrize("method", ["rbm", "autoencoder"])
def test_layers_are_trained_from_the_lowest_with_all_others_frozen(method):
    model, runs = network(), []
    start = model.state_dict()
    histories = pretrain_layers(model, FEW, method, callbacks=lambda name: [Spy(model, name, runs)], **QUIET)
    assert list(histories) == [name for name, *_ in runs] == ["low", "high"]
    (_, low, changed_low), (_, high, changed_high) = runs
    assert not any(path.startswith(("high", "outputs")) for path in changed_low)
    assert not any(path.startswith(("low", "outputs")) for path in changed_high)
    assert np.array_equal(low.train.x, FEW.x) and not low.train.y.any()
    assert np.array_equal(high.train.x, training.predict(model[:1], FEW.images))
    end = model.state_dict()
    assert {path for path in end if not np.array_equal(end[path], start[path])} == {
        "low.kernel", "low.bias", "high.kernel", "high.bias"}  # fmt: skip
    assert histories["low"]["loss"][1] < histories["low"]["loss"][0]
    assert all(len(history) == 2 and "accuracy" not in history.rows[0] for history in histories.values())


@pytest.mark.parametrize("activation", ["relu", "elu", "selu", "tanh", "leaky_relu", "softplus"])
def test_every_activation_has_an_autoencoder(activation):
    histories = pretrain_layers(network(activation), FEW, corruption=masking(0.2), **QUIET)
    assert all(history["loss"][1] < history["loss"][0] for history in histories.values())


def test_normalization_and_dropout_between():
    minidnn.manual_seed(1)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Dense(784, 20, name="low"),
        nn.BatchNorm(20, momentum=0.5),
        nn.ELU(),
        nn.Dropout(0.5, "scale_at_test"),
        nn.Dense(20, 10, "relu", name="high"),
        nn.LayerNorm(10),
        nn.AlphaDropout(0.1),
        nn.Dense(10, 10),
    )
    runs = []
    pretrain_layers(model, FEW, callbacks=lambda name: [Spy(model, name, runs)], **QUIET)
    (_, low, changed), (_, high, changed_high) = runs
    assert {path.split(".")[0] for path in changed} == {"low", "3"} and "3.running_mean" in changed
    assert {path.split(".")[0] for path in changed_high} == {"high", "7"}
    assert not any(isinstance(part, (nn.Dropout, nn.AlphaDropout)) for _, part in low.model.named_modules())
    assert np.allclose(high.train.x, training.predict(model[:6], FEW.images), rtol=1e-6)


def test_rectified_layers_and_standardized_inputs():
    """Real inputs are standardized for the RBM; folded back, the layer gives what the RBM does."""
    model, runs = network("relu"), []
    x = minidnn.Generator(3).normal((300, 784), mean=2.0, std=3.0)
    x[:, 0] = 5.0
    held_out = minidnn.Generator(4).normal((50, 784), mean=2.0, std=3.0)
    histories = pretrain_layers(
        model, x, "rbm", valid=held_out, callbacks=lambda name: [Spy(model, name, runs)], **QUIET
    )
    for (_, run, _), raw, layer in zip(runs, (x, training.predict(model[:1], x)), model, strict=False):
        rbm = run.model.rbm
        assert (rbm.visible, rbm.hidden) == ("gaussian", "relu")
        varied = raw.std(axis=0) > 1e-6
        assert np.allclose(run.train.x.mean(axis=0), 0, atol=1e-4)
        assert np.allclose(run.train.x.std(axis=0)[varied], 1, atol=1e-4)
        assert np.allclose(training.predict(layer, raw), rbm.hidden_mean(run.train.x), atol=1e-3)
        assert abs(run.valid.x[:, varied].std() - 1) < 0.3
    assert all(np.isfinite(history["loss"] + history["valid_loss"]).all() for history in histories.values())


def test_an_activation_may_be_a_layer_of_its_own():
    def trained(hidden):
        minidnn.manual_seed(1)
        model = nn.Sequential(*hidden(), nn.Dense(12, 10))
        pretrain_layers(model, FEW, "rbm", **QUIET)
        return model[0].kernel.data

    fused = trained(lambda: [nn.Dense(784, 12, "sigmoid")])
    assert np.array_equal(fused, trained(lambda: [nn.Dense(784, 12), nn.Sigmoid(), nn.Dropout(0.5)]))
    assert np.array_equal(fused, trained(lambda: [nn.Dense(784, 12, nn.Sigmoid())]))


def test_a_frozen_layer_is_skipped():
    model = network()
    model[0].kernel.requires_grad = False
    before = model[0].state_dict()
    assert list(pretrain_layers(model, FEW, **QUIET)) == ["high"]
    assert all(np.array_equal(before[name], array) for name, array in model[0].state_dict().items())


def test_options_reach_the_runs():
    made = []

    def make(params):
        made.append(optim.SGD(params, 0.01))
        return made[-1]

    runs = []
    model = network()
    pretrain_layers(
        model, FEW, "rbm", k=2, persistent=True, kernel_regularizer=nn.l2(0.01), optimizer=make,
        callbacks=lambda name: [Spy(model, name, runs)], **QUIET,
    )  # fmt: skip
    for (_, run, _), optimizer in zip(runs, made, strict=True):
        assert run.optimizer is optimizer and run.regularized
        assert run.model.k == 2 and run.model.persistent and run.model.particles.data.any()


@pytest.mark.parametrize("method", ["rbm", "autoencoder"])
def test_an_interrupted_pretraining_resumes_with_the_same_bytes(method, tmp_path):
    class Fails(training.Callback):
        def on_step_end(self, run):
            if run.epoch == 2:
                raise OSError("the power is gone")

    options = {} if method == "rbm" else {"corruption": masking(0.3)}
    whole = network()
    pretrain_layers(whole, FEW, method, **options, **QUIET)
    cut = network()
    with pytest.raises(OSError, match="power"):
        pretrain_layers(
            cut, FEW, method, checkpoints=tmp_path, **options, **QUIET,
            callbacks=lambda name: [Fails()] if name == "high" else [training.Callback()],
        )  # fmt: skip
    resumed = network()

    class Counts(Fails):
        def on_step_end(self, run):
            steps.append(run.epoch)

    steps = []
    names = {"low": training.Callback, "high": Counts}
    # Checkpoints identify callbacks by their classes.
    Counts.__name__ = "Fails"
    pretrain_layers(
        resumed, FEW, method, checkpoints=tmp_path, callbacks=lambda name: [names[name]()], **options, **QUIET
    )
    assert steps == [2] * 6  # no epoch was repeated
    for path, array in whole.state_dict().items():
        assert array.tobytes() == resumed.state_dict()[path].tobytes(), path


@pytest.mark.parametrize("method", ["rbm", "autoencoder"])
@pytest.mark.compiled
def test_the_same_bytes_at_every_thread_count(method):
    def weights(threads):
        kernels.set_num_threads(threads)
        model = network()
        pretrain_layers(model, FEW, method, **QUIET)
        return [array.tobytes() for array in model.state_dict().values()]

    assert weights(1) == weights(2) == weights(3)


def test_the_reference_learns_the_same():
    def kernel():
        model = network()
        pretrain_layers(model, FEW.images, optimizer=lambda params: optim.SGD(params, 0.01), **QUIET)
        return model[0].kernel.data

    compiled = kernel()
    with minidnn.use_backend("reference"):
        assert np.allclose(compiled, kernel(), atol=1e-5)


def test_one_call_and_few_labels():
    """Features learned from 2,000 images without labels help with 100 labelled ones."""
    images, labelled = MNIST.train[:2000], MNIST.train[:100]

    def accuracy(pretrain):
        minidnn.manual_seed(3)
        model = nn.Sequential(nn.Dense(784, 100, "sigmoid", name="hidden"), nn.Dense(100, 10))
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        options = {"epochs": 60, "batch_size": 20, "optimizer": optimizer, "progress": False, "valid": MNIST.valid[:50]}
        if pretrain:
            quiet = {"epochs": 20, "batch_size": 20, "progress": False}
            done = pretrain_and_finetune(model, images, labelled, method="rbm", pretraining=quiet, **options)
            assert list(done.layers) == ["hidden"] and len(done.finetuning) == 60
            assert "valid_accuracy" in done.finetuning.rows[0]
        else:
            training.fit(model, labelled, **options)
        return training.evaluate(model, MNIST.test).accuracy

    assert accuracy(True) > accuracy(False) + 0.02


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: pretrain_layers(nn.Dense(3, 2), FEW), TypeError, "model must be a Sequential, got Dense"),
        (lambda: pretrain_layers(nn.Sequential(nn.Dense(784, 2)), FEW), ValueError, "there is no hidden one"),
        (lambda: pretrain_layers(network(), FEW, "dbn"), ValueError, "method must be 'rbm' or 'autoencoder'"),
        (lambda: pretrain_layers(network(), FEW, "rbm", corruption=masking(0.1)), ValueError, "corruption has no"),
        (lambda: pretrain_layers(network(), FEW, k=2), ValueError, "k has no meaning for method='autoencoder'"),
        (lambda: pretrain_layers(network(), FEW.images[:, :9]), ValueError, "takes 784 inputs, the examples have 9"),
        (
            lambda: pretrain_layers(network(), FEW.images.astype("U1")),
            TypeError,
            "x must be numbers, got an array of <U1",
        ),
        (lambda: pretrain_layers(network(), FEW.images[:0]), ValueError, "there are no examples"),
        (
            lambda: pretrain_layers(network("elu"), FEW, "rbm"),
            ValueError,
            "Dense 'low' has elu; units of an RBM are sigmoid, or relu",
        ),
        (
            lambda: pretrain_layers(
                nn.Sequential(nn.Dense(784, 5), nn.BatchNorm(5), nn.Sigmoid(), nn.Dense(5, 2)), FEW, "rbm"
            ),
            ValueError,
            "Dense has BatchNorm and then Sigmoid",
        ),
        (
            lambda: pretrain_layers(nn.Sequential(nn.Dense(784, 5), nn.Dense(5, 2)), FEW, "rbm"),
            ValueError,
            "Dense has no activation",
        ),
        (
            lambda: pretrain_layers(nn.Sequential(nn.Dense(784, 5), nn.Residual(nn.Dense(5, 5)), nn.Dense(5, 2)), FEW),
            TypeError,
            "part '1' is a Residual; between dense layers there may be",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
