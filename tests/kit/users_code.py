"""User-defined code within the step: layers, losses and optimizers, by name.

Each kind is a function of a random generator and of a `Case`, which it changes.
"""

import random

import numpy as np

import minidnn
from kit.users_case import GLOBALS
from minidnn import Tensor, kernels, nn, ops, optim, schedules

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


# Constraints, methods, errors and generators


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


def user_defined_generator(rng, case):
    case.layers.insert(0, nn.Dropout(0.4, rng=_OwnGenerator(3)))


OWN = [constraint_function, bound_method_and_class_list, kernel_error_that_is_caught]
OWN += [user_defined_generator, branch_in_the_loss, branch_on_a_number, coefficient_in_a_global]
OWN += [coefficient_that_the_loss_changes]
OWN += [tensor_that_is_replaced, weights_of_classes_as_an_array, numpy_on_the_labels, smoothing_by_epoch]
OWN += [activation_function, regularizer_function, layer_that_counts, layer_with_running_statistics]
OWN += [layer_skipped_by_numpy, layer_skipped_by_python, layer_skipped_by_minidnn, slope_in_a_dict]
OWN += [layer_that_reads_numbers, class_attribute, method_on_an_instance, optimizer_that_clips, lookahead]
OWN += [accumulated_gradients, optimizer_that_skips, momentum_by_updates, decay_by_the_rate]
