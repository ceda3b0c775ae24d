"""Base class of the classifier and the regressor: the fit, by `minidnn.training.fit`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from minidnn import nn, training
from minidnn.checks import number, positive_integer
from minidnn.reference.types import Array
from minidnn.sklearn import settings
from minidnn.sklearn.inputs import dataset_of, examples_of, generator_of, narrowed, validated
from minidnn.sklearn.precision import Averaged, in_float64
from minidnn.sklearn.stopping import Converged
from minidnn.sklearn.transaction import whole
from minidnn.sklearn.weights import sample_weights


class Perceptron(BaseEstimator):
    """The fit of a multilayer perceptron; a subclass defines targets, loss and outputs."""

    hidden_layer_sizes: Any
    activation: str
    solver: str
    alpha: float
    l1: float
    batch_size: Any
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: Any
    dropout: float
    batch_norm: bool
    kernel_initializer: str
    max_norm: float | None
    clip_norm: float | None
    precision: str

    _score = ""  # the validation column that early stopping watches

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Stores the constructor's arguments unchanged, as scikit-learn requires."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    # Defined by subclasses

    def _targets(self, y: Any, reset: bool) -> Array:
        """The targets as the loss takes them; sets ``n_outputs_`` where reset is true."""
        raise NotImplementedError

    def _weighted(self, targets: Array, weights: Array | None) -> Array | None:
        """The weights of the examples, those of their classes included."""
        return weights

    def _loss(self) -> Any:
        raise NotImplementedError

    def _classes(self) -> tuple[str, ...]:
        """The names of the classes, for the model's file."""
        return ()

    # Fitting

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains a new network, or with ``warm_start`` the existing one.

        Args:
            X: (n_samples, n_features), dense or sparse; converted once, see ``precision``.
            y: (n_samples,) or (n_samples, n_outputs).
            sample_weight: (n_samples,), at least 0; the loss is the weighted mean. An example of weight 0 is left out.

        Raises:
            TypeError, ValueError: invalid data or an argument out of range.
            minidnn.training.NonFiniteError: the loss or a weight became NaN or infinite.

        After an error the estimator is unchanged, except that with ``warm_start`` its network may be partly trained.
        """
        goes_on = bool(self.warm_start) and hasattr(self, "model_")
        return self._fit(X, y, sample_weight, not goes_on, positive_integer(self._owner, "max_iter", self.max_iter))

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """One epoch."""
        if self.early_stopping:
            raise ValueError(f"{self._owner}: partial_fit does not support early_stopping=True; use fit")
        if self.learning_rate in settings.ENDING:
            raise ValueError(
                f"{self._owner}: learning_rate is {self.learning_rate!r}, which is spread over max_iter epochs; "
                "partial_fit needs 'constant' or 'invscaling'"
            )
        return self._fit(X, y, sample_weight, not hasattr(self, "model_"), None)

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _fit(self, X: Any, y: Any, sample_weight: Any, reset: bool, epochs: int | None) -> Self:
        with whole(self):
            history = self._trained(X, y, sample_weight, reset, epochs)
        if epochs is not None and history.stopped is None and self._is_open_ended:
            warnings.warn(
                f"{self._owner}: not converged after max_iter={epochs} epochs; give more, or another "
                "learning_rate_init, or n_iter_no_change=math.inf to train for max_iter epochs",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _trained(self, X: Any, y: Any, sample_weight: Any, reset: bool, epochs: int | None) -> training.History:
        x, y = validated(self, X, y, reset=reset)
        targets = self._targets(y, reset)
        weights = self._weighted(targets, sample_weights(sample_weight, x))
        if weights is not None and not weights.all():
            used = weights > 0
            x, targets, weights = x[used], targets[used], weights[used]
        batch = settings.batch_size_of(self, x.shape[0])
        mean = 1.0 if weights is None else float(weights.mean())
        wide = self._is_wide(x, batch, epochs)
        x = x.astype(np.float64, copy=False) if wide else narrowed(self._owner, x)
        if reset:
            self._begin(x, batch, mean)
        # Capturing needs float32, and saves time only after a few steps.
        is_short = epochs is None and x.shape[0] <= 4 * batch
        with in_float64(self.model_, self._optimizer) if wide else nullcontext():
            history = training.fit(
                self.model_,
                dataset_of(x, targets, self._classes(), tuple(getattr(self, "feature_names_in_", ()))),
                loss=self._loss() if weights is None else Averaged(self._loss(), mean),
                optimizer=self._optimizer,
                epochs=epochs or 1,
                batch_size=batch,
                sample_weight=weights,
                clip_norm=self.clip_norm,
                rng=self._rng,
                progress=bool(self.verbose),
                capture=False if wide or is_short else "auto",
                **({"metrics": []} if epochs is None else self._stopping()),
            )
        self._remember(history, x.shape[0])
        return history

    def _is_wide(self, x: Any, batch: int, epochs: int | None) -> bool:
        """Whether the fit computes in float64."""
        precision = settings.among(self, "precision", ["auto", "float32", "float64"])
        if precision == "auto":
            return bool(epochs is not None and x.dtype == np.float64 and x.shape[0] <= batch)
        return bool(precision == "float64")

    def _begin(self, x: Any, batch: int, mean_weight: float) -> None:
        """A new network with its optimizer."""
        solver = settings.SOLVERS[settings.among(self, "solver", settings.SOLVERS)]
        share = 1 - number(self._owner, "validation_fraction", self.validation_fraction, below=1.0)
        n = x.shape[0] * (share if self.early_stopping else 1.0)
        rate = settings.rate_of(self, max(math.ceil(n / batch), 1) * self.max_iter, batch)
        rng = generator_of(self.random_state)
        model = settings.network_of(self, x.shape[1], self.n_outputs_, batch * mean_weight, rng)
        self._optimizer = solver(model.parameters(), rate, self)
        self._rng, self.model_ = rng, model
        self.n_layers_ = len(settings.sizes_of(self)) + 2
        self.loss_curve_: list[float] = []
        self.n_iter_ = self.t_ = 0

    def _stopping(self) -> dict[str, Any]:
        """The arguments of `training.fit` that decide when the fit ends."""
        adaptive = self.learning_rate == "adaptive"
        tol, patience = number(self._owner, "tol", self.tol), settings.patience_of(self)
        if not self.early_stopping:
            return {"metrics": [], "callbacks": [Converged("loss", tol, patience, adaptive)]}
        winner = training.EarlyStopping(patience=self.max_iter + 1, every=None, monitor=self._score)
        return {
            "valid": float(self.validation_fraction),
            "callbacks": [Converged(self._score, tol, patience, adaptive), winner],
        }

    @property
    def _is_open_ended(self) -> bool:
        """Whether convergence, and not a schedule, should end the fit."""
        return self.learning_rate not in settings.ENDING and settings.patience_of(self) < math.inf

    def _remember(self, history: training.History, n: int) -> None:
        self.loss_curve_ = self.loss_curve_ + history["loss"]
        self.n_iter_ += len(history)
        self.t_ += len(history) * n
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = None if self.early_stopping else min(self.loss_curve_)
        if self.early_stopping:
            self.validation_scores_ = history[self._score]
            self.best_validation_score_ = max(self.validation_scores_)

    # Fitted network

    def _predict(self, X: Any) -> Array:
        """The network's outputs, (n_samples, n_outputs), computed in float32 and given in the dtype of X."""
        check_is_fitted(self, "model_")
        x = validated(self, X, reset=False)
        outputs: Array = training.predict(self.model_, examples_of(narrowed(self._owner, x)))
        return outputs.astype(x.dtype, copy=False)

    def _dense_layers(self, name: str) -> list[nn.Dense]:
        if "model_" not in vars(self):
            raise AttributeError(f"{self._owner}: has no {name} before fit")
        return [layer for layer in self.model_ if isinstance(layer, nn.Dense)]

    @property
    def coefs_(self) -> list[Array]:
        """A copy of each dense layer's kernel, (n_in, n_out)."""
        return [layer.kernel.numpy().copy() for layer in self._dense_layers("coefs_")]

    @property
    def intercepts_(self) -> list[Array]:
        """A copy of each dense layer's bias."""
        return [np.array(layer.bias.numpy()) for layer in self._dense_layers("intercepts_")]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
