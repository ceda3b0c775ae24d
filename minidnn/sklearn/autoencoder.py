"""An autoencoder as a scikit-learn transformer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from minidnn import optim, pretraining, training
from minidnn.checks import number, positive_integer
from minidnn.random import Generator
from minidnn.reference.types import Array
from minidnn.sklearn import settings
from minidnn.sklearn.inputs import generator_of, narrowed, validated
from minidnn.sklearn.stopping import Converged
from minidnn.sklearn.transaction import whole


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns codes of X by `pretraining.Autoencoder` and Adam.

    ``transform(X) = encoder(X)``, trained so that ``decoder(encoder(X))`` is close to X (Hinton & Salakhutdinov 2006)::

        >>> from sklearn.datasets import load_digits
        >>> from minidnn.sklearn import Autoencoder
        >>> X = load_digits().data / 16
        >>> Autoencoder(8, [32], max_iter=5, n_iter_no_change=5, tol=1.0, random_state=0).fit_transform(X).shape
        (1797, 8)

    Args:
        n_components: the size of the code.
        hidden_layer_sizes: sizes of the layers between X and the code; the decoder has them in reverse order.
        activation: of the hidden layers: a name of `minidnn.activations`, or scikit-learn's "logistic", "identity".
        code_activation: of the code, as ``activation``.
        tied: the decoder uses the encoder's kernels, transposed.
        loss: "squared", the sum of squared errors per example; or "cross_entropy", for X in [0, 1].
        masking, noise: denoising (Vincent et al. 2008): the rate of inputs set to 0 during training, or the standard
            deviation of Gaussian noise. One of the two.
        sparsity: None; or the target mean activation of each code unit, in (0, 1), for
            ``code_activation="logistic"`` (Ng 2011).
        alpha: the penalty ``alpha / 2 * sum(w**2)`` on all kernels, divided by the examples per update.
        batch_size: examples per update; "auto" for ``min(200, n_samples)``.
        learning_rate_init: the learning rate of Adam.
        max_iter: maximum number of epochs.
        tol, n_iter_no_change: the fit ends after more than n_iter_no_change epochs in a row that each improved the loss
            by less than tol; ``math.inf``: never.
        random_state: None, an integer or a ``numpy.random.RandomState``.
        verbose: show a progress bar.

    Attributes:
        model_: the fitted `pretraining.Autoencoder`; ``model_.encoder`` can be the lower part of another network.
        loss_curve_: the loss of each epoch.
        n_features_in_, feature_names_in_, n_iter_: of X; epochs.
    """

    def __init__(
        self,
        n_components: int = 32,
        hidden_layer_sizes: Sequence[int] | int = (),
        activation: str = "relu",
        *,
        code_activation: str = "identity",
        tied: bool = False,
        loss: str = "squared",
        masking: float = 0.0,
        noise: float = 0.0,
        sparsity: float | None = None,
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: float = 10,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.code_activation = code_activation
        self.tied = tied
        self.loss = loss
        self.masking = masking
        self.noise = noise
        self.sparsity = sparsity
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Trains a new autoencoder on X, (n_samples, n_features); y is ignored.

        Raises:
            TypeError, ValueError: invalid data or an argument out of range; the estimator is unchanged.
            minidnn.training.NonFiniteError: the loss or a weight became NaN or infinite.
        """
        with whole(self):
            history = self._trained(X)
        if history.stopped is None and self.n_iter_no_change < math.inf:
            warnings.warn(
                f"Autoencoder: not converged after max_iter={self.max_iter} epochs; give more, or "
                "n_iter_no_change=math.inf to train for max_iter epochs",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _trained(self, X: Any) -> training.History:
        x = narrowed("Autoencoder", validated(self, X, reset=True, sparse=False))
        epochs = positive_integer("Autoencoder", "max_iter", self.max_iter)
        patience = settings.patience_of(self)
        batch = settings.batch_size_of(self, len(x))
        rng = generator_of(self.random_state)
        model = self._network(x.shape[1], batch, rng)
        history = pretraining.train(
            pretraining.Reconstruction(model),
            x,
            optimizer=optim.Adam(model.parameters(), self.learning_rate_init),
            epochs=epochs,
            batch_size=batch,
            callbacks=[Converged("loss", number("Autoencoder", "tol", self.tol), patience)],
            rng=rng,
            progress=bool(self.verbose),
        )
        self.model_, self._n_codes = model, int(self.n_components)
        self.loss_curve_, self.n_iter_ = history["loss"], len(history)
        return history

    def transform(self, X: Any) -> Array:
        """The codes, float32 (n_samples, n_components).

        Raises:
            NotFittedError: before fit.
            TypeError, ValueError: as `fit`, other columns than in fit.
        """
        x = self._examples(X)
        codes: Array = training.predict(self.model_.encoder, x)
        return codes

    def inverse_transform(self, X: Any) -> Array:
        """The reconstructions from codes: (n_samples, n_components) to float32 (n_samples, n_features)."""
        check_is_fitted(self, "model_")
        codes = np.require(X, np.float32, ["C"])
        if codes.ndim != 2 or codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"Autoencoder: inverse_transform: X has shape {codes.shape}, must be (n_samples, "
                f"{self._n_features_out})"
            )
        x: Array = training.predict(self.model_.any_decoder, codes)
        return x if self.model_.loss == "squared" else 1 / (1 + np.exp(-x))

    def score_samples(self, X: Any) -> Array:
        """The negative squared reconstruction error of each example, (n_samples,): low for outliers.

        Raises as `transform`.
        """
        x = self._examples(X)
        error = x - training.predict(self.model_, x)
        return -np.einsum("ij,ij->i", error, error, dtype=np.float64)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`, for hyperparameter search; raises as `transform`."""
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return self._n_codes

    def _examples(self, X: Any) -> Array:
        check_is_fitted(self, "model_")
        x: Array = narrowed("Autoencoder", validated(self, X, reset=False, sparse=False))
        return x

    def _network(self, n_in: int, batch: int, rng: Generator) -> pretraining.Autoencoder:
        sizes = [n_in, *settings.sizes_of(self), positive_integer("Autoencoder", "n_components", self.n_components)]
        inner, code = settings.activation_of(self), settings.activation_of(self, "code_activation")
        penalty = settings.penalty_of(self.alpha, 0.0, batch, "Autoencoder")
        return pretraining.Autoencoder(
            settings.chain(sizes, inner, code, penalty, rng),
            None if self.tied else settings.chain(sizes[::-1], inner, "identity", penalty, rng),
            settings.among(self, "loss", ["squared", "cross_entropy"]),
            self._corruption(),
            None if self.sparsity is None else pretraining.kl_sparsity(self.sparsity),
            rng=rng,
        )

    def _corruption(self) -> Any:
        if self.masking and self.noise:
            raise ValueError(
                f"Autoencoder: masking is {self.masking} and noise is {self.noise}, must be one of the two; leave the "
                "other 0"
            )
        if self.masking:
            return pretraining.masking(self.masking)
        return pretraining.gaussian_noise(self.noise) if self.noise else None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
