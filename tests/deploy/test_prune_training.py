"""Pruning during training, and weights that stay zero with every optimizer."""

import math
from itertools import pairwise

import numpy as np
import pytest

import minidnn
from minidnn import data, deploy, nn, optim, schedules, training

MNIST = data.load_mnist()
TRAIN = MNIST.train[:300]  # 6 steps of 50 an epoch


def network(**options):
    minidnn.manual_seed(1)
    return nn.Sequential(
        nn.Dense(784, 12, "elu", name="hidden1", **options), nn.Dense(12, 10, name="outputs", **options)
    )


def fit(model, *callbacks, make=lambda p: optim.SGD(p, 0.1, momentum=0.9), **options):
    options = {"epochs": 2, "batch_size": 50, "progress": False, "rng": minidnn.Generator(3)} | options
    return training.fit(model, TRAIN, optimizer=make(model.parameters()), callbacks=callbacks, **options)


def kernels(model):
    return [param.data for param in model.parameters() if param.ndim == 2]


def weights(model):
    return b"".join(array.tobytes() for array in model.state_dict().values())


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p),
    "adamw": lambda p: optim.AdamW(p, weight_decay=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, 0.001, momentum=0.9),
    "lion": lambda p: optim.Lion(p, 0.001),
}


class Masked(nn.Module):
    """The same network with the kernels multiplied by a mask on the tape."""

    def __init__(self, model):
        self.dense = list(model)
        self.masks = [(layer.kernel.data != 0).astype(np.float32) for layer in model]

    def forward(self, x):
        for layer, mask in zip(self.dense, self.masks, strict=True):
            x = layer.apply(x, layer.kernel * minidnn.Tensor(mask))
        return x


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_stay_and_the_rest_trains_as_if_masked_on_the_tape(name):
    held, masked = network(), network()
    for model in (held, masked):
        deploy.prune(model, fraction=0.8)
    zeros = [kernel == 0 for kernel in kernels(held)]
    before = weights(held)
    fit(held, training.KeepZeros(), make=OPTIMIZERS[name])
    fit(Masked(masked), make=OPTIMIZERS[name])
    assert weights(held) == weights(masked) != before
    for kernel, mask in zip(kernels(held), zeros, strict=True):
        assert np.all(kernel[mask] == 0) and np.all(kernel[~mask] != 0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_captured_steps_give_the_bytes_of_eager_ones(name):
    def pruned(capture):
        model = network()
        prune = training.Prune(training.cubic_sparsity(0.9, steps=7, begin=1), every=2)
        fit(model, prune, make=OPTIMIZERS[name], capture=capture)
        return weights(model)

    assert pruned(True) == pruned(False)


class Watch(training.Callback):
    """The zeros of each kernel after each step."""

    def __init__(self):
        self.zeros = []

    def on_step_end(self, run):
        self.zeros.append([kernel == 0 for kernel in kernels(run.model)])


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_the_schedule_is_followed_exactly_and_zeros_stay(scope):
    model, watch = network(), Watch()
    schedule = training.cubic_sparsity(0.95, steps=8, begin=2, initial=0.1)
    history = fit(model, training.Prune(schedule, every=3, scope=scope), watch)
    sizes = [kernel.size for kernel in kernels(model)]
    # Pruned at steps 3, 6 and 9, and at 10, where the schedule ends.
    fractions = [0, 0, *[schedule(3)] * 3, *[schedule(6)] * 3, schedule(9), *[0.95] * 3]
    for masks, fraction in zip(watch.zeros, fractions, strict=True):
        counts = [int(mask.sum()) for mask in masks]
        if scope == "layer":
            assert counts == [round(fraction * size) for size in sizes]
        else:
            assert sum(counts) == round(fraction * sum(sizes))
    for before, after in pairwise(watch.zeros):
        assert all(np.all(b <= a) for b, a in zip(before, after, strict=True))
    assert history["density"][-1] == deploy.density(model)


def test_a_constant_fraction_prunes_before_the_first_step_like_deploy():
    one, other = network(), network()
    fit(one, training.Prune(0.7, scope="global"))
    deploy.prune(other, fraction=0.7, scope="global")
    fit(other, training.KeepZeros())
    assert weights(one) == weights(other)


def test_a_schedule_that_falls_restores_no_weights():
    model = network()
    fit(model, training.Prune(schedules.piecewise_constant([4], [0.8, 0.2]), every=1))
    assert deploy.density(model) == pytest.approx(0.2, abs=1e-3)


def test_weights_that_were_zero_before_pruning_do_not_restore_others():
    model, watch = nn.Sequential(nn.Dense(784, 4, kernel_initializer="zeros"), nn.Dense(4, 10)), Watch()
    fit(model, training.Prune(training.cubic_sparsity(0.9, steps=6), every=1), watch)
    first = [zeros[1] for zeros in watch.zeros]
    assert all(np.all(b <= a) for b, a in pairwise(first)) and first[-1].sum() == 36


def test_layers_may_have_different_schedules():
    model = network()
    fit(model, training.Prune(0.9, layers=["hidden1"]), training.Prune(0.5, layers=["outputs"]))
    assert [(row.path, row.zeros / row.size) for row in deploy.sparsity(model).layers] == [
        ("hidden1.kernel", pytest.approx(0.9, abs=1e-4)),
        ("outputs.kernel", 0.5),
    ]
    with pytest.raises(ValueError, match=r"both mask outputs\.kernel"):
        fit(model, training.Prune(0.9), training.KeepZeros(["outputs"]))


@pytest.mark.parametrize("constraint", [nn.unit_norm(), nn.max_norm(0.3), nn.non_neg()])
def test_pruning_with_a_constraint(constraint):
    model = network(kernel_constraint=constraint)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    fit(model, training.Prune(0.5), make=lambda p: optimizer)
    for track, kernel in zip(optimizer.tracks()[::2], kernels(model), strict=True):
        assert track.constraint is constraint
        assert np.mean(kernel == 0) >= 0.5
        norms = np.sqrt((kernel.astype(np.float64) ** 2).sum(axis=0))
        if isinstance(constraint, nn.unit_norm):
            assert np.allclose(norms, 1, atol=1e-5)
        elif isinstance(constraint, nn.max_norm):
            assert norms.max() <= 0.3 * (1 + 1e-5)
        else:
            assert kernel.min() >= 0


def test_an_error_leaves_the_constraints_of_the_optimizer_unchanged():
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.1)
    model[0].kernel.data[0, 0] = math.nan
    for callbacks in ([training.Prune(0.5)], [training.KeepZeros()]):
        with pytest.raises((ValueError, training.NonFiniteError), match=r"NaN|nan"):
            fit(model, *callbacks, make=lambda p: optimizer)
        assert all(track.constraint is None for track in optimizer.tracks())


def test_weights_that_another_callback_restores_at_the_end_are_masked_again():
    model = network()
    fit(
        model,
        training.AverageWeights(0.5, every=1),
        training.Prune(schedules.piecewise_constant([9], [0, 0.9]), every=1),
    )
    assert deploy.density(model) == pytest.approx(0.1, abs=1e-3)


def test_masks_in_a_loop_of_ones_own():
    model = network()
    deploy.prune(model, fraction=0.9)
    for param in model.parameters():
        param.constraint = nn.masked(param.data != 0, param.constraint) if param.ndim == 2 else None
    optimizer = optim.Adam(model.parameters())
    for x, y in data.batches(TRAIN, 50):
        optimizer.zero_grad()
        nn.softmax_cross_entropy(model(x), y).backward()
        optimizer.step()
    assert deploy.density(model) == pytest.approx(0.1, abs=1e-3)
    assert repr(model[1].kernel.constraint) == "masked(12 of 120)"


def test_masked_in_double_precision_and_of_another_shape():
    param = nn.Parameter(np.array([[1.0, -2.0], [math.nan, math.inf]]))
    nn.masked([[1, 0], [0, 0]])(param)
    assert param.data.tolist() == [[1, 0], [0, 0]] and param.version == 1 and not np.signbit(param.data).any()
    for dtype in (np.float32, np.float64):
        with pytest.raises(ValueError, match="mask_weights"):
            nn.masked([1, 0])(nn.Parameter(np.ones((2, 2), dtype)))


def test_a_checkpoint_with_masks_of_other_layers_is_refused(tmp_path):
    fit(network(), training.KeepZeros(["hidden1"]), training.Checkpoint(tmp_path), epochs=1)
    other = network(), training.KeepZeros(["outputs"]), training.Checkpoint(tmp_path)
    with pytest.raises(training.ResumeError, match=r"callbacks.KeepZeros.layers is \['outputs'\], was \['hidden1'\]"):
        fit(*other, resume=tmp_path)
    with pytest.raises(training.ResumeError, match=r"had masks of hidden1\.kernel, now of outputs\.kernel"):
        fit(*other, resume=tmp_path, resume_with=("callbacks",))


def test_cubic_sparsity_is_zhu_and_guptas():
    s = training.cubic_sparsity(0.8, steps=100, begin=50, initial=0.2)
    assert [s(0), s(49), s(50), s(150), s(10**6)] == [0, 0, pytest.approx(0.2), 0.8, 0.8]
    assert s(100) == pytest.approx(0.8 + (0.2 - 0.8) * (1 - 50 / 100) ** 3)
    assert s == training.cubic_sparsity(0.8, 100, 50, 0.2)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: training.cubic_sparsity(1.2, steps=10), ValueError, r"fraction must be in \[0, 1\], got 1.2"),
        (lambda: training.cubic_sparsity(0.5, steps=0), ValueError, "steps must be at least 1"),
        (lambda: training.cubic_sparsity(0.5, steps=1, begin=-1), ValueError, "begin must be"),
        (lambda: training.Prune(1.5), ValueError, "Prune: fraction must be"),
        (lambda: training.Prune("0.5"), TypeError, "Prune: fraction must be a number, got str"),
        (lambda: training.Prune(0.5, every=0), ValueError, "every must be at least 1"),
        (lambda: training.Prune(0.5, scope="model"), ValueError, "scope must be 'layer' or 'global'"),
        (lambda: fit(network(), training.Prune(lambda step: 2.0)), ValueError, "Prune: fraction must be"),
        (lambda: fit(network(), training.Prune(0.5, layers=["hidden2"])), ValueError, "no kernel in 'hidden2'"),
    ],
)
def test_invalid_arguments_are_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
