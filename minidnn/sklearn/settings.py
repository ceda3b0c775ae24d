"""Optimizers, schedules and networks from the constructor arguments of the scikit-learn estimators."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from minidnn import nn, optim, recipes, schedules
from minidnn.checks import number, positive_integer
from minidnn.convert.sklearn import NAMES
from minidnn.optim.groups import Rate
from minidnn.random import Generator
from minidnn.tensor import Tensor

Solver = Callable[[Iterable[Tensor], Rate, Any], optim.Optimizer]


def _sgd(params: Iterable[Tensor], rate: Rate, e: Any) -> optim.Optimizer:
    return optim.SGD(params, rate, momentum=e.momentum, nesterov=e.nesterovs_momentum and e.momentum > 0)


def _adaptive(kind: Any) -> Solver:
    return lambda params, rate, e: kind(params, rate, beta1=e.beta_1, beta2=e.beta_2, eps=e.epsilon)


def _adamw(params: Iterable[Tensor], rate: Rate, e: Any) -> optim.Optimizer:
    return optim.AdamW(params, rate, beta1=e.beta_1, beta2=e.beta_2, eps=e.epsilon, weight_decay=e.alpha)


SOLVERS: dict[str, Solver] = {
    "sgd": _sgd,
    "adam": _adaptive(optim.Adam),
    "adamw": _adamw,
    "nadam": _adaptive(optim.NAdam),
    "adamax": _adaptive(optim.Adamax),
    "rmsprop": lambda params, rate, e: optim.RMSprop(params, rate),
    "adagrad": lambda params, rate, e: optim.Adagrad(params, rate),
    "lion": lambda params, rate, e: optim.Lion(params, rate, e.beta_1, e.beta_2),
}

ENDING = ("exponential", "cosine", "one_cycle")
"""Schedules that are spread over ``max_iter`` epochs."""
RATES = ("constant", "invscaling", "adaptive", *ENDING)


def among(estimator: Any, argument: str, known: Iterable[Any]) -> Any:
    """The value of the estimator's argument.

    Raises:
        ValueError: it is not one of the known values.
    """
    value = getattr(estimator, argument)
    known = list(known)
    if not any(value is other or (isinstance(value, str) and value == other) for other in known):
        shown = ", ".join(map(repr, known))
        raise ValueError(f"{type(estimator).__name__}: {argument} is {value!r}, must be one of {shown}")
    return value


def rate_of(estimator: Any, steps: int, batch: int) -> Rate:
    """The learning rate, a number or a schedule.

    Args:
        steps: updates in ``max_iter`` epochs.
        batch: examples in an update.
    """
    rate = number(type(estimator).__name__, "learning_rate_init", estimator.learning_rate_init)
    kind = among(estimator, "learning_rate", RATES)
    if kind == "invscaling":
        return schedules.power(rate, 1 / batch, number(type(estimator).__name__, "power_t", estimator.power_t))
    if kind == "exponential":
        return schedules.exponential(rate, 0.01, steps)
    if kind == "cosine":
        return schedules.cosine(rate, steps)
    return schedules.one_cycle(rate, steps) if kind == "one_cycle" else rate


def batch_size_of(estimator: Any, n: int) -> int:
    """Examples per batch, at most n; "auto": ``min(200, n)``."""
    if isinstance(estimator.batch_size, str):
        among(estimator, "batch_size", ["auto"])
        return min(200, n)
    return min(positive_integer(type(estimator).__name__, "batch_size", estimator.batch_size), n)


def sizes_of(estimator: Any) -> list[int]:
    """The sizes of the hidden layers, of one number or several."""
    given = estimator.hidden_layer_sizes
    try:
        sizes = list(given)
    except TypeError:
        sizes = [given]
    return [positive_integer(type(estimator).__name__, "hidden_layer_sizes", size) for size in sizes]


def activation_of(estimator: Any, argument: str = "activation") -> str:
    """The activation of that argument: scikit-learn's "logistic" is "sigmoid"."""
    names = {name: name for name in recipes.LAYERS} | {theirs: ours or "identity" for theirs, ours in NAMES.items()}
    return str(names[among(estimator, argument, names)])


def initializer_for(activation: str) -> str:
    """The initializer for an activation: Glorot's, as in scikit-learn; LeCun's for SELU, which needs it."""
    return "lecun_normal" if activation == "selu" else "glorot_uniform"


def penalty_of(alpha: float, l1: float, examples: float, owner: str) -> Any:
    """``alpha / (2 * examples) * sum(w**2) + l1 / examples * sum(|w|)``, or None where both are 0."""
    alpha, l1 = number(owner, "alpha", alpha), number(owner, "l1", l1)
    return nn.l1_l2(l1 / examples, alpha / 2 / examples) if alpha or l1 else None


def chain(sizes: list[int], inner: str, last: str, penalty: Any, rng: Generator) -> nn.Sequential:
    """Dense layers from size to size, with one activation between them and another at the end."""
    activations = [inner] * (len(sizes) - 2) + [last]
    return nn.Sequential(
        *(
            nn.Dense(
                n_in,
                n_out,
                None if activation == "identity" else activation,
                initializer_for(activation),
                rng=rng,
                kernel_regularizer=penalty,
            )
            for (n_in, n_out), activation in zip(pairwise(sizes), activations, strict=True)
        )
    )


def network_of(estimator: Any, n_in: int, n_out: int, examples: float, rng: Generator) -> nn.Sequential:
    """The network, `recipes.default_network` with penalties and constraints on the kernel of every layer.

    Args:
        examples: sum of the weights per update, which divides penalties as in scikit-learn.
    """
    owner, sizes, activation = type(estimator).__name__, sizes_of(estimator), activation_of(estimator)
    if not sizes:
        raise ValueError(
            f"{owner}: hidden_layer_sizes is {estimator.hidden_layer_sizes!r}, must have at least one size; for a "
            "linear model use sklearn.linear_model"
        )
    alpha = 0.0 if estimator.solver == "adamw" else estimator.alpha  # adamw uses alpha as weight decay
    penalty = penalty_of(alpha, estimator.l1, examples, owner)
    initializer = among(estimator, "kernel_initializer", ["auto", *nn.initializers.INITIALIZERS])
    body = recipes.default_network(
        n_in,
        sizes,
        n_out,
        activation=activation,
        kernel_initializer=initializer_for(activation) if initializer == "auto" else initializer,
        batch_norm=bool(estimator.batch_norm),
        dropout=number(owner, "dropout", estimator.dropout, below=1.0),
        rng=rng,
        kernel_regularizer=penalty,
        kernel_constraint=None if estimator.max_norm is None else nn.max_norm(estimator.max_norm),
    )
    outputs = nn.Dense(sizes[-1], n_out, name="outputs", rng=rng, kernel_regularizer=penalty)
    return nn.Sequential(*body.layers[:-1], outputs)


def patience_of(estimator: Any) -> float:
    """``n_iter_no_change``, which may be infinite."""
    given = estimator.n_iter_no_change
    if isinstance(given, float) and math.isinf(given):
        return math.inf
    return positive_integer(type(estimator).__name__, "n_iter_no_change", given)
