"""A scikit-learn regressor with one output or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from minidnn import nn
from minidnn.data.targets import as_float32
from minidnn.reference.types import Array
from minidnn.sklearn.perceptron import Perceptron
from minidnn.sklearn.settings import among

LOSSES = {
    "squared_error": nn.mean_squared_error,
    "absolute_error": nn.mean_absolute_error,
    "huber": nn.huber,
}


class MLPRegressor(RegressorMixin, Perceptron):
    """A multilayer perceptron that predicts numbers, with scikit-learn's interface.

    The default loss is the mean squared error; ``sklearn.neural_network.MLPRegressor`` uses half of it. Targets far
    from 1 are learned slowly; scale them by ``sklearn.compose.TransformedTargetRegressor``::

        >>> import numpy as np
        >>> from minidnn.sklearn import MLPRegressor
        >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
        >>> y = np.sin(3 * X[:, 0])
        >>> network = MLPRegressor([50], "tanh", batch_size=20, learning_rate_init=0.01, random_state=0).fit(X, y)
        >>> bool(network.score(X, y) > 0.95)
        True

    Args:
        loss: "squared_error", "absolute_error" or "huber" (Huber 1964, which is linear beyond an error of 1).

    The other arguments are those of `MLPClassifier`; early stopping watches ``R**2``.

    Attributes:
        model_: the fitted network, an `nn.Sequential`.
        n_features_in_, feature_names_in_: of X.
        n_outputs_, n_layers_, out_activation_: of the network.
        loss_curve_, loss_, best_loss_, validation_scores_, best_validation_score_: as those of `MLPClassifier`.
        n_iter_, t_, coefs_, intercepts_: as those of `MLPClassifier`.
    """

    _score = "valid_r2"
    out_activation_ = "identity"

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str = "relu",
        *,
        loss: str = "squared_error",
        solver: str = "adam",
        alpha: float = 0.0001,
        l1: float = 0.0,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        dropout: float = 0.0,
        batch_norm: bool = False,
        kernel_initializer: str = "auto",
        max_norm: float | None = None,
        clip_norm: float | None = None,
        precision: str = "auto",
    ) -> None:
        self.loss = loss
        self._keep(locals())

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains for one epoch on these examples; the first call makes a new network, further calls continue.

        Raises:
            TypeError, ValueError: as `fit`; early_stopping=True, or a schedule over max_iter epochs.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """The numbers predicted, (n_samples,) or (n_samples, n_outputs).

        Raises:
            NotFittedError: before fit.
            TypeError, ValueError: as `fit`, other columns than in fit.
        """
        y = self._predict(X)
        return y.ravel() if y.shape[1] == 1 else y

    def _targets(self, y: Any, reset: bool) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        outputs = y.shape[1] if y.ndim == 2 else 1
        if reset:
            self.n_outputs_ = outputs
        elif outputs != self.n_outputs_:
            raise ValueError(f"{self._owner}: y has {outputs} outputs, must have {self.n_outputs_} as before")
        return as_float32(self._owner, "y", np.asarray(y, np.float64))

    def _loss(self) -> Any:
        return LOSSES[among(self, "loss", LOSSES)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
