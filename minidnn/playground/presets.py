"""Example settings for the sections of the chapter."""

from __future__ import annotations

PRESETS: list[dict[str, str]] = [
    {
        "section": "Vanishing gradients",
        "name": "Sigmoid, small weights, deep",
        "note": "The left network hardly learns: six layers of sigmoids shrink the gradient. ELU with He's "
        "weights, on the right, learns.",
        "settings": "data=spirals&hidden=16,16,16,16,16,16&activation=sigmoid&initializer=uniform&lr=0.003&"
        "b.activation=elu&b.initializer=he_normal",
    },
    {
        "section": "Initial values",
        "name": "All weights equal",
        "note": "With constant weights all units of a layer stay the same: the symmetry is never broken. On the "
        "right, He's weights.",
        "settings": "data=circles&hidden=8,8&activation=tanh&initializer=ones&b.initializer=he_normal",
    },
    {
        "section": "Activations",
        "name": "ReLU and ELU",
        "note": "The boundary of the ReLU network has corners, that of the ELU network is smooth.",
        "settings": "data=spirals&activation=relu&b.activation=elu",
    },
    {
        "section": "Batch normalization",
        "name": "With and without",
        "note": "A deep network and ten times the learning rate: only the network with batch normalization learns.",
        "settings": "data=spirals&hidden=16,16,16,16,16&activation=sigmoid&initializer=glorot_uniform&"
        "optimizer=Momentum&lr=0.3&b.batch_norm=1",
    },
    {
        "section": "Optimizers",
        "name": "SGD and momentum",
        "note": "With the same learning rate, momentum 0.9 makes steps up to ten times as long.",
        "settings": "data=moons&optimizer=SGD&lr=0.02&b.optimizer=Momentum",
    },
    {
        "section": "Optimizers",
        "name": "Momentum and Adam",
        "note": "Adam adapts the step size of each weight.",
        "settings": "data=spirals&optimizer=Momentum&lr=0.03&b.optimizer=Adam&b.lr=0.01",
    },
    {
        "section": "Optimizers",
        "name": "Adagrad slows down",
        "note": "Adagrad's step sizes fall with every step; RMSprop forgets old gradients.",
        "settings": "data=spirals&optimizer=Adagrad&lr=0.03&b.optimizer=RMSprop&b.lr=0.01",
    },
    {
        "section": "Schedules",
        "name": "Constant and exponential",
        "note": "The rate is too large for the left network, which does not converge. On the right the rate falls by a "
        "factor of 100 in 2,000 updates.",
        "settings": "data=spirals&optimizer=Adam&lr=0.1&horizon=2000&b.schedule=exponential",
    },
    {
        "section": "Regularization",
        "name": "Overfitting and l2",
        "note": "Noisy data: the left network overfits the noise. l2 keeps the weights of the right one small.",
        "settings": "data=moons&noise=0.9&hidden=32,32&lr=0.01&b.l2=0.003",
    },
    {
        "section": "Regularization",
        "name": "l1 makes zeros",
        "note": "l1 drives weights to zero: compare the lines of the right network.",
        "settings": "data=circles&hidden=16,8&b.l1=0.002",
    },
    {
        "section": "Regularization",
        "name": "Dropout",
        "note": "On the right, a random fifth of the units is dropped in each step.",
        "settings": "data=moons&noise=0.9&hidden=32,32&b.dropout=0.2",
    },
    {
        "section": "Regularization",
        "name": "Max-norm",
        "note": "On the right, the norm of each unit's incoming weights is at most 1.",
        "settings": "data=moons&noise=0.9&hidden=32,32&b.max_norm=1",
    },
    {
        "section": "Skip connections",
        "name": "Eight layers",
        "note": "On the right, residual connections bypass each layer.",
        "settings": "data=circles&hidden=8,8,8,8,8,8,8,8&activation=tanh&initializer=uniform&lr=0.003&b.skip=1",
    },
    {
        "section": "Regression",
        "name": "Hills",
        "note": "The network learns a surface instead of a boundary.",
        "settings": "task=regression&data=hills&hidden=16,16&activation=tanh&initializer=glorot_uniform",
    },
]
