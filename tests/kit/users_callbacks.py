"""Callbacks that change objects of minidnn, by name: the step is then captured again automatically.

Each kind is a function of a random generator and of a `Case`, which it changes.
"""

import functools

import numpy as np

import minidnn
from minidnn import nn, optim, training


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
