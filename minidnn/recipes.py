"""The chapter's practical guidelines as one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from minidnn import activations, nn, optim, training
from minidnn.checks import number, positive_integer
from minidnn.nn.initializers import Initializer
from minidnn.optim.groups import Rate
from minidnn.random import Generator

Task = Literal["classification", "labels", "regression"]

LAYERS: dict[str, Any] = {name: getattr(nn, layer) for layer, name in activations.LAYERS.items()}


@dataclass(frozen=True, eq=False)
class Recipe:
    """Everything that `training.fit` needs except the data; made by `default_dnn`.

    Attributes:
        model, loss, optimizer, callbacks, epochs, batch_size: for `training.fit`.
    """

    model: nn.Sequential
    loss: Any
    optimizer: optim.Optimizer
    callbacks: Sequence[training.Callback] = field(default_factory=list)
    epochs: int = 100
    batch_size: int = 50

    def fit(self, train: Any, y: Any = None, *, valid: Any = 0.1, **options: Any) -> training.History:
        """Calls `training.fit` with the recipe; early stopping and the schedule use ``valid``.

        Args:
            train, y, valid: as for `training.fit`; by default a tenth of the training examples is held out.
            options: further arguments of `training.fit`, which override the recipe's.
        """
        chosen: dict[str, Any] = {
            "loss": self.loss,
            "optimizer": self.optimizer,
            "callbacks": list(self.callbacks),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
        }
        return training.fit(self.model, train, y, valid=valid, **(chosen | options))


def default_dnn(
    n_in: int,
    hidden: Sequence[int],
    n_out: int,
    *,
    task: Task = "classification",
    lr: Rate = 0.01,
    dropout: float = 0.2,
    patience: int = 10,
    epochs: int = 100,
    batch_size: int = 50,
    **network: Any,
) -> Recipe:
    """The chapter's whole default configuration (Table 11-2), ready for `training.fit`.

    ::

        recipe = recipes.default_dnn(784, [300, 100], 10)
        history = recipe.fit(mnist.train, valid=mnist.valid)
        training.evaluate(recipe.model, mnist.test)

    - Model: `default_network`, with He initialization, ELU and batch normalization, and dropout.
    - Loss: softmax cross-entropy for "classification" (sigmoid cross-entropy with one output), sigmoid cross-entropy
      for "labels" (several labels per example), mean squared error for "regression".
    - Optimizer: Nesterov's accelerated gradient, momentum 0.9.
    - Schedule: the rate is halved when the validation loss has not improved for ``patience // 2`` epochs; if lr is a
      schedule, that schedule is used instead.
    - Regularization: dropout, and early stopping, which restores the best model.

    Args:
        n_in, hidden, n_out: sizes; n_out is the number of classes (1 for two classes), labels or real numbers.
        lr: a number or a schedule.
        dropout: as for `default_network`.
        patience: number of epochs without a better validation loss after which the run ends.
        epochs, batch_size: maximum number of epochs, and examples per batch.
        network: further arguments of `default_network`, such as ``activation="relu"``.

    Raises:
        TypeError, ValueError: an argument has a wrong type or is out of range; the message names it.
    """
    if task not in ("classification", "labels", "regression"):
        raise ValueError(f"default_dnn: task is {task!r}, must be 'classification', 'labels' or 'regression'")
    patience = positive_integer("default_dnn", "patience", patience)
    model = default_network(n_in, hidden, n_out, dropout=dropout, **network)
    loss: Any = nn.mean_squared_error
    if task != "regression":
        one_hot = task == "classification" and n_out > 1
        loss = nn.softmax_cross_entropy if one_hot else nn.sigmoid_cross_entropy
    stopping = training.EarlyStopping(patience=patience, every=None)
    falling = [] if callable(lr) else [training.ReduceOnPlateau(factor=0.5, patience=max(patience // 2, 1))]
    return Recipe(
        model,
        loss,
        optim.SGD(model.parameters(), lr, momentum=0.9, nesterov=True),
        [*falling, stopping],
        positive_integer("default_dnn", "epochs", epochs),
        positive_integer("default_dnn", "batch_size", batch_size),
    )


def default_network(
    n_in: int,
    hidden: Sequence[int],
    n_out: int,
    *,
    activation: str = "elu",
    kernel_initializer: str | Initializer = "he_normal",
    batch_norm: bool = True,
    dropout: float = 0.0,
    rng: Generator | None = None,
    **options: Any,
) -> nn.Sequential:
    """The chapter's deep network: per hidden layer ``Dense - BatchNorm - activation - Dropout``, then ``outputs``.

    - He initialization: keeps the variance of signals and gradients constant through layers of ReLU and its variants.
    - ELU: no dying units, mean activations near 0; for faster inference ``activation="relu"``.
    - Batch normalization: allows higher learning rates and is less sensitive to initialization. It is placed before the
      activation; the bias of the dense layer is then redundant. It costs time at inference unless it is folded into the
      dense layer.
    - Dropout: start at 0.2 to 0.5 if the network overfits.

    Args:
        n_in, hidden, n_out: sizes; the dense layers are named hidden1, hidden2, ..., outputs.
        activation: name of the hidden layers' activation; "identity" for none.
        kernel_initializer: of the hidden layers; the output layer uses Glorot's.
        batch_norm: whether to add batch normalization.
        dropout: the rate after each hidden layer, in [0, 1); half of it on the inputs.
        rng: draws initial values and masks; None: the default generator.
        options: further arguments of each hidden `nn.Dense`, such as ``kernel_constraint=nn.max_norm(3.0)``.

    Raises:
        TypeError, ValueError: no hidden layer, an unknown activation, or an argument that a layer refuses.
    """
    if isinstance(hidden, int) or not len(hidden):
        raise ValueError(
            f"default_dnn: hidden is {hidden!r}, must be a list of one size or more; give sizes, such as [300, 100]"
        )
    sizes = [positive_integer("default_dnn", "n_in", n_in)]
    sizes += [positive_integer("default_dnn", "hidden", size) for size in hidden]
    n_out = positive_integer("default_dnn", "n_out", n_out)
    dropout = number("default_dnn", "dropout", dropout, below=1.0)
    if activation not in LAYERS and activation != "identity":
        raise ValueError(f"default_dnn: activation is {activation!r}, must be one of {', '.join(LAYERS)}")
    layers: list[nn.Module] = [nn.Dropout(dropout / 2, name="dropout0", rng=rng)] if dropout else []
    for i, fan_in in enumerate(sizes[:-1], start=1):
        fused = None if batch_norm or activation == "identity" else activation
        layers.append(nn.Dense(fan_in, sizes[i], fused, kernel_initializer, name=f"hidden{i}", rng=rng, **options))
        if batch_norm:
            layers.append(nn.BatchNorm(sizes[i], momentum=0.9, name=f"norm{i}"))
        if batch_norm and activation != "identity":
            layers.append(LAYERS[activation](name=f"act{i}"))
        if dropout:
            layers.append(nn.Dropout(dropout, name=f"dropout{i}", rng=rng))
    return nn.Sequential(*layers, nn.Dense(sizes[-1], n_out, name="outputs", rng=rng))
