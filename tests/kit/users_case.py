"""A small training run that users' code is put into (`users_code.py`, `users_callbacks.py`)."""

from minidnn import nn, optim, training

GLOBALS = {"weight": 1.0, "slope": 1.0, "epoch": 0}


class Case:
    """A small network to train, with what a user added to it."""

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
