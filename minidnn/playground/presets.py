"""Settings worth a look: a section of the chapter each."""

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
        "note": "Constant weights never break the symmetry: all units of a layer stay the same. On the right, He's.",
        "settings": "data=circles&hidden=8,8&activation=tanh&initializer=ones&b.initializer=he_normal",
    },
    {
        "section": "Activations",
        "name": "ReLU and ELU",
        "note": "The boundary of ReLU has corners, that of ELU is smooth.",
        "settings": "data=spirals&activation=relu&b.activation=elu",
    },
    {
        "section": "Batch normalization",
        "name": "With and without",
        "note": "Ten times the rate, deep: only the network with batch normalization stands it.",
        "settings": "data=spirals&hidden=16,16,16,16,16&activation=sigmoid&initializer=glorot_uniform&"
        "optimizer=Momentum&lr=0.3&b.batch_norm=1",
    },
    {
        "section": "Optimizers",
        "name": "SGD and momentum",
        "note": "The same rate: momentum goes up to ten times as far.",
        "settings": "data=moons&optimizer=SGD&lr=0.02&b.optimizer=Momentum",
    },
    {
        "section": "Optimizers",
        "name": "Momentum and Adam",
        "note": "Adam gives each weight a rate of its own.",
        "settings": "data=spirals&optimizer=Momentum&lr=0.03&b.optimizer=Adam&b.lr=0.01",
    },
    {
        "section": "Optimizers",
        "name": "Adagrad slows down",
        "note": "Adagrad's rate falls with every step; RMSprop forgets old gradients.",
        "settings": "data=spirals&optimizer=Adagrad&lr=0.03&b.optimizer=RMSprop&b.lr=0.01",
    },
    {
        "section": "Schedules",
        "name": "Constant and exponential",
        "note": "The rate is too large for the left network, which never settles. On the right it falls a "
        "hundredfold in 2,000 updates.",
        "settings": "data=spirals&optimizer=Adam&lr=0.1&horizon=2000&b.schedule=exponential",
    },
    {
        "section": "Regularization",
        "name": "Overfitting and l2",
        "note": "Much noise: the left network learns the noise by heart. l2 keeps weights small.",
        "settings": "data=moons&noise=0.9&hidden=32,32&lr=0.01&b.l2=0.003",
    },
    {
        "section": "Regularization",
        "name": "l1 makes zeros",
        "note": "l1 drives weights to zero: look at the lines of the right network.",
        "settings": "data=circles&hidden=16,8&b.l1=0.002",
    },
    {
        "section": "Regularization",
        "name": "Dropout",
        "note": "A fifth of the units is dropped at random in each step.",
        "settings": "data=moons&noise=0.9&hidden=32,32&b.dropout=0.2",
    },
    {
        "section": "Regularization",
        "name": "Max-norm",
        "note": "No unit's incoming weights exceed a norm of 1.",
        "settings": "data=moons&noise=0.9&hidden=32,32&b.max_norm=1",
    },
    {
        "section": "Skip connections",
        "name": "Eight layers",
        "note": "Residual connections carry the signal around each layer.",
        "settings": "data=circles&hidden=8,8,8,8,8,8,8,8&activation=tanh&initializer=uniform&lr=0.003&b.skip=1",
    },
    {
        "section": "Regression",
        "name": "Hills",
        "note": "A surface is learned instead of a boundary.",
        "settings": "task=regression&data=hills&hidden=16,16&activation=tanh&initializer=glorot_uniform",
    },
]
