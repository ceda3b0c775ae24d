"""What users put into a training run: layers, losses, optimizers and callbacks of their own, by name.

Each kind is a function of a random generator and of a `Case`, which it changes.
"""

import functools
import random

import numpy as np

import minidnn
from minidnn import Tensor, kernels, nn, ops, optim, schedules, training

GLOBALS = {"weight": 1.0, "slope": 1.0, "epoch": 0}


class Case:
    """A small network to be trained, and what a user added to it."""

    def __init__(self, rng):
        width = int(rng.integers(3, 9))
        activation = str(rng.choice(["relu", "elu", "tanh"]))
        self.layers = [nn.Dense(6, width, activation), nn.Dense(width, 3)]
        if rng.random() < 0.3:
            self.layers.insert(1, nn.Dropout(0.3))
        if rng.random() < 0.3:
            self.layers.insert(1, nn.BatchNorm(width, momentum=0.5))
        self.loss = nn.softmax_cross_entropy
        self.optimizer = lambda params: optim.SGD(params, 0.1, momentum=0.5)
        self.callbacks = []

    def each_epoch(self, change):
        self.callbacks.append(Change(change))


class Change(training.Callback):
    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, run):
        self.change(run)


# Losses


def branch_in_the_loss(rng, case):
    at = int(rng.integers(1, 3))
    case.loss = lambda out, y: (nn.softmax_cross_entropy if GLOBALS["epoch"] < at else nn.multiclass_hinge)(out, y)
    case.each_epoch(lambda run: GLOBALS.update(epoch=run.epoch))


def branch_on_a_number(rng, case):
    limit = float(rng.uniform(0.5, 1.5))

    def loss(out, y):
        value = nn.softmax_cross_entropy(out, y)
        return value * 2.0 if value > limit else value

    case.loss = loss


def coefficient_in_a_global(rng, case):
    case.loss = lambda out, y: nn.softmax_cross_entropy(out, y) * GLOBALS["weight"]
    case.each_epoch(lambda run: GLOBALS.update(weight=GLOBALS["weight"] * 0.5))


def coefficient_that_the_loss_changes(rng, case):
    k = [1.0]

    def loss(out, y):
        k[0] *= 0.9
        return nn.softmax_cross_entropy(out, y) * k[0]

    case.loss = loss


def tensor_that_is_replaced(rng, case):
    held = {"weight": Tensor(np.float32(0.5))}
    case.loss = lambda out, y: nn.softmax_cross_entropy(out, y) + ops.mean(out * out) * held["weight"]
    case.each_epoch(lambda run: held.update(weight=Tensor(np.float32(0.5 / run.epoch))))


def weights_of_classes_as_an_array(rng, case):
    weights = [np.ones(3, np.float32)]
    case.loss = lambda out, y: ops.mean(-ops.log_softmax(out) * Tensor(weights[0]))
    case.each_epoch(lambda run: weights.__setitem__(0, weights[0] * np.float32([1, 0.5, 2])))


def numpy_on_the_labels(rng, case):
    case.loss = lambda out, y: nn.mean_squared_error(out, np.eye(3, dtype=np.float32)[y])


def smoothing_by_epoch(rng, case):
    case.loss = lambda out, y: nn.softmax_cross_entropy(out, y, label_smoothing=min(0.3, 0.1 * GLOBALS["epoch"]))
    case.each_epoch(lambda run: GLOBALS.update(epoch=run.epoch))


# Layers and functions


def activation_function(rng, case):
    case.layers.insert(1, _Function(lambda z: ops.tanh(z * GLOBALS["slope"])))
    case.each_epoch(lambda run: GLOBALS.update(slope=GLOBALS["slope"] + 0.5))


class _Function(nn.Module):
    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


def regularizer_function(rng, case):
    case.layers[0].kernel.regularizer = lambda w: ops.sum(w * w) * (0.01 * GLOBALS["slope"])
    case.each_epoch(lambda run: GLOBALS.update(slope=GLOBALS["slope"] + 1))


class _Counting(nn.Module):
    def __init__(self):
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        return x * (1.0 / self.passes)


def layer_that_counts(rng, case):
    case.layers.insert(1, _Counting())


class _Running(nn.Module):
    """Centres by a running mean of its own."""

    def __init__(self, n):
        self.mean = Tensor(np.zeros(n, np.float32))

    def forward(self, x):
        if self.training:
            self.mean.data[...] = 0.9 * self.mean.data + 0.1 * x.data.mean(axis=0)
        return x - self.mean


def layer_with_running_statistics(rng, case):
    case.layers.insert(0, _Running(6))


class _Skipping(nn.Module):
    def __init__(self, draw):
        self.draw = draw

    def forward(self, x):
        return x if self.draw() < 0.5 else x * 2.0


def layer_skipped_by_numpy(rng, case):
    case.layers.insert(1, _Skipping(np.random.default_rng(1).random))


def layer_skipped_by_python(rng, case):
    case.layers.insert(1, _Skipping(random.Random(2).random))


def layer_skipped_by_minidnn(rng, case):
    generator = minidnn.Generator(3)
    case.layers.insert(1, _Skipping(lambda: generator.uniform(1)[0]))


class _Slope(nn.Module):
    def __init__(self):
        self.settings = {"alpha": 0.5}

    def forward(self, x):
        return ops.leaky_relu(x, self.settings["alpha"])


def slope_in_a_dict(rng, case):
    case.layers.insert(1, _Slope())
    case.each_epoch(lambda run: run.model.layers[1].settings.update(alpha=0.1 * run.epoch))


class _Seen(nn.Module):
    def __init__(self):
        self.dead = []

    def forward(self, x):
        self.dead.append(float((x.data <= 0).mean()))
        return x * (1.0 + self.dead[-1])


def layer_that_reads_numbers(rng, case):
    case.layers.insert(1, _Seen())


class _Doubling(nn.Dense):
    factor = 1.0

    def forward(self, x):
        return super().forward(x) * self.factor


def class_attribute(rng, case):
    _Doubling.factor = 1.0
    case.layers[0] = _Doubling(6, case.layers[0].n_out)
    case.each_epoch(lambda run: setattr(_Doubling, "factor", 1.0 + run.epoch))


def method_on_an_instance(rng, case):
    layer = case.layers[0]
    layer.forward = lambda x: nn.Dense.forward(layer, x) * GLOBALS["slope"]
    case.each_epoch(lambda run: GLOBALS.update(slope=GLOBALS["slope"] + 0.5))


# Optimizers


class _Clipping(optim.SGD):
    def step(self):
        optim.clip_by_global_norm([track.param for track in self.tracks()], 0.3)
        super().step()


def optimizer_that_clips(rng, case):
    case.optimizer = lambda params: _Clipping(params, 0.1)


class _Lookahead(optim.SGD):
    n, slow = 0, None

    def step(self):
        super().step()
        self.n += 1
        self.slow = self.slow or [track.param.data.copy() for track in self.tracks()]
        if self.n % 3 == 0:
            for track, slow in zip(self.tracks(), self.slow, strict=True):
                slow += 0.5 * (track.param.data - slow)
                track.param.data[...] = slow


def lookahead(rng, case):
    case.optimizer = lambda params: _Lookahead(params, 0.1)


class _Accumulating(optim.SGD):
    n = 0

    def zero_grad(self):
        if self.n % 2 == 0:
            super().zero_grad()

    def step(self):
        self.n += 1
        if self.n % 2 == 0:
            super().step()


def accumulated_gradients(rng, case):
    case.optimizer = lambda params: _Accumulating(params, 0.1)


class _SkippingSpikes(optim.SGD):
    def step(self):
        if sum(float((track.param.grad**2).sum()) for track in self.tracks()) < 0.5:
            super().step()


def optimizer_that_skips(rng, case):
    case.optimizer = lambda params: _SkippingSpikes(params, 0.1)


class _Warm(optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, lr, {"v": 0.0}, {})

    def update(self, track, grad, lr, options):
        momentum = 0.5 if track.updates <= 4 else 0.9
        kernels.momentum_step(track.param.data, grad, track.slots["v"], lr=lr, momentum=momentum)


def momentum_by_updates(rng, case):
    case.optimizer = lambda params: _Warm(params, 0.1)


class _Decaying(optim.SGD):
    def update(self, track, grad, lr, options):
        kernels.scale(track.param.data, 1 - lr * 0.5)
        super().update(track, grad, lr, options)


def decay_by_the_rate(rng, case):
    case.optimizer = lambda params: _Decaying(params, schedules.piecewise_constant([5], [0.1, 0.01]))


# What callbacks change


def regularizer_set(rng, case):
    case.each_epoch(lambda run: setattr(run.model.layers[0].kernel, "regularizer", nn.l2(0.02 * run.epoch)))
    case.layers[-1].kernel.regularizer = nn.l1(1e-4)  # so that penalties are computed from the beginning


def constraint_set(rng, case):
    def change(run):
        for track in run.optimizer.tracks():
            track.constraint = nn.max_norm(0.5 / run.epoch) if track.param.ndim == 2 else None

    case.each_epoch(change)


def slots_replaced(rng, case):
    def change(run):
        for track in run.optimizer.tracks():
            track.slots = {name: np.zeros_like(slot) for name, slot in track.slots.items()}

    case.each_epoch(change)


def option_changed(rng, case):
    case.each_epoch(lambda run: run.optimizer.groups[0].options.update(momentum=0.1 * run.epoch))


def layer_frozen(rng, case):
    def change(run):
        for param in run.model.layers[0].parameters():
            param.requires_grad, param.grad = run.epoch % 2 == 0, None

    case.each_epoch(change)


def loss_replaced(rng, case):
    case.each_epoch(lambda run: setattr(run, "loss_function", nn.multiclass_hinge))


def optimizer_replaced(rng, case):
    case.each_epoch(lambda run: setattr(run, "optimizer", optim.Adam(run.model.parameters(), 0.01)))


def group_moved(rng, case):
    def make(params):
        return optim.SGD([{"params": params[:2], "lr": 0.01}, {"params": params[2:]}], 0.1, momentum=0.5)

    def change(run):
        a, b = run.optimizer.groups
        if len(a.tracks) > 1:
            b.tracks.append(a.tracks.pop())

    case.optimizer = make
    case.each_epoch(change)


def layer_removed(rng, case):
    case.layers.insert(1, nn.Dropout(0.5))

    def change(run):
        run.model.layers[:] = [layer for layer in run.model.layers if not isinstance(layer, nn.Dropout)]

    case.each_epoch(change)


def mask_replaced(rng, case):
    shape = case.layers[0].kernel.shape
    case.layers[0].kernel.constraint = nn.masked(np.ones(shape))
    half = (np.arange(np.prod(shape)).reshape(shape) % 2).astype(np.float32)
    case.each_epoch(lambda run: setattr(run.model.layers[0].kernel.constraint, "mask", half))


def weights_loaded(rng, case):
    def change(run):
        run.model.load_state_dict({k: v * 0.9 for k, v in run.model.state_dict().items()}, assign=run.epoch % 2 == 0)

    case.each_epoch(change)


def rate_of_dropout(rng, case):
    case.layers.insert(0, nn.Dropout(0.1))
    case.each_epoch(lambda run: setattr(run.model.layers[0], "rate", 0.1 * run.epoch))


def seed_set(rng, case):
    case.layers.insert(0, nn.Dropout(0.4))
    case.each_epoch(lambda run: minidnn.manual_seed(run.epoch))


def rate_set(rng, case):
    case.each_epoch(lambda run: setattr(run.optimizer, "lr", 0.1 / run.epoch))


def clipping_changed(rng, case):
    case.each_epoch(lambda run: setattr(run, "clip_norm", 0.5 / run.epoch))


def model_replaced(rng, case):
    other = nn.Sequential(nn.Dense(6, 3))
    case.each_epoch(lambda run: run.epoch == 2 and setattr(run, "model", other))


def momentum_by_a_schedule(rng, case):
    def make(params):
        optimizer = optim.SGD(params, 0.1, momentum=0.9)

        def rate(step):
            optimizer.groups[0].options["momentum"] = 0.9 - 0.05 * step
            return 0.1

        optimizer.lr = rate
        return optimizer

    case.optimizer = make


def keywords_of_a_partial(rng, case):
    case.loss = functools.partial(nn.softmax_cross_entropy, label_smoothing=0.0)
    case.each_epoch(lambda run: case.loss.keywords.update(label_smoothing=0.1 * run.epoch))


class _Kept(training.Callback):
    def __init__(self):
        self.gradients = []

    def on_step_end(self, run):
        self.gradients.append(run.model.layers[-1].kernel.grad)
        if len(self.gradients) > 1:
            run.optimizer.lr = 0.1 + float(abs(self.gradients[-1] - self.gradients[-2]).mean())


def gradients_kept_by_a_callback(rng, case):
    case.callbacks.append(_Kept())


def random_schedule(rng, case):
    draws = np.random.default_rng(5)
    case.optimizer = lambda params: optim.SGD(params, lambda step: 0.1 * draws.random())


LIBRARY = [clipping_changed, model_replaced, momentum_by_a_schedule, keywords_of_a_partial]
LIBRARY += [
    gradients_kept_by_a_callback,
    random_schedule,
    option_changed,
    regularizer_set,
    constraint_set,
    slots_replaced,
    layer_frozen,
    loss_replaced,
]
LIBRARY += [optimizer_replaced, group_moved, layer_removed, mask_replaced, weights_loaded, rate_of_dropout]
LIBRARY += [seed_set, rate_set]
"""Callbacks that change what is minidnn's own: the step is captured by itself."""


def constraint_function(rng, case):
    case.layers[0].kernel.constraint = lambda w: ops.clip_by_norm(w, 0.5 * GLOBALS["slope"], axes=0)
    case.each_epoch(lambda run: GLOBALS.update(slope=GLOBALS["slope"] + 0.5))


class _Trainer:
    weights = [1.0]  # noqa: RUF012 - what a user may do

    def loss(self, out, y):
        return nn.softmax_cross_entropy(out, y) * self.weights[0]


def bound_method_and_class_list(rng, case):
    trainer = _Trainer()
    _Trainer.weights = [1.0]
    case.loss = trainer.loss
    case.each_epoch(lambda run: trainer.weights.__setitem__(0, trainer.weights[0] / 2))


def kernel_error_that_is_caught(rng, case):
    def loss(out, y):
        try:
            return nn.softmax_cross_entropy(out[:, :2], y)  # there is a third class
        except ValueError:
            return ops.mean(out * out)

    case.loss = loss


class _OwnGenerator(minidnn.Generator):
    __slots__ = ("calls",)

    def next_key(self):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls % 2:
            self._draw[...] = 0
        return super().next_key()


def generator_of_ones_own(rng, case):
    case.layers.insert(0, nn.Dropout(0.4, rng=_OwnGenerator(3)))


OWN = [constraint_function, bound_method_and_class_list, kernel_error_that_is_caught]
OWN += [generator_of_ones_own, branch_in_the_loss, branch_on_a_number, coefficient_in_a_global]
OWN += [coefficient_that_the_loss_changes]
OWN += [tensor_that_is_replaced, weights_of_classes_as_an_array, numpy_on_the_labels, smoothing_by_epoch]
OWN += [activation_function, regularizer_function, layer_that_counts, layer_with_running_statistics]
OWN += [layer_skipped_by_numpy, layer_skipped_by_python, layer_skipped_by_minidnn, slope_in_a_dict]
OWN += [layer_that_reads_numbers, class_attribute, method_on_an_instance, optimizer_that_clips, lookahead]
OWN += [accumulated_gradients, optimizer_that_skips, momentum_by_updates, decay_by_the_rate]
"""Code of the user's own within the step."""
