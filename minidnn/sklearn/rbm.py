"""A restricted Boltzmann machine as a scikit-learn transformer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from minidnn import nn, optim, pretraining, training
from minidnn.checks import number, positive_integer
from minidnn.data.targets import chunks
from minidnn.reference.types import Array
from minidnn.sklearn.inputs import generator_of, narrowed, validated
from minidnn.sklearn.settings import among
from minidnn.sklearn.transaction import whole

CHUNK = 1000
"""Examples per call of `free_energy`."""


class RBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features by a restricted Boltzmann machine, `pretraining.RBM`, in place of scikit-learn's ``BernoulliRBM``.

    ``transform(X) = 1 / (1 + exp(-(X @ components_.T + intercept_hidden_)))``, learned by persistent contrastive
    divergence (Tieleman 2008) or CD-k (Hinton 2002)::

        >>> from sklearn.datasets import load_digits
        >>> from minidnn.sklearn import RBM
        >>> X = load_digits().data / 16
        >>> RBM(n_components=20, n_iter=2, random_state=0).fit_transform(X).shape
        (1797, 20)

    Args:
        n_components: hidden units.
        learning_rate: "auto" for 0.1 with Bernoulli and 0.01 with Gaussian visible units.
        batch_size: examples in an update, and persistent chains.
        n_iter: epochs.
        verbose: show a progress bar.
        random_state: None, an integer or a ``numpy.random.RandomState``.
        visible: "bernoulli" for X in [0, 1]; "gaussian" for any numbers, which are standardized first by the mean and
            the standard deviation of the first X; "auto" for Bernoulli units where the first X lies in [0, 1].
        persistent: False for chains that begin at the examples, CD-k.
        k: steps of Gibbs sampling in an update.
        momentum: of the updates, in [0, 1).
        l2: the penalty ``l2 * sum(w**2)`` on the kernel.

    Attributes:
        model_: the `pretraining.RBM`; `pretraining` and `nn.Sequential` take it as a layer.
        components_, intercept_hidden_, intercept_visible_: copies of its weights, (n_components, n_features),
            (n_components,), (n_features,).
        visible_: "bernoulli" or "gaussian".
        mean_, scale_: what Gaussian units are standardized by, (n_features,); else 0 and 1.
        loss_curve_: the squared error of reconstruction of each epoch.
        n_features_in_, feature_names_in_, n_iter_: of X; epochs.
    """

    loss_curve_: list[float]
    n_iter_: int

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float | str = "auto",
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: bool = False,
        random_state: Any = None,
        visible: str = "auto",
        persistent: bool = True,
        k: int = 1,
        momentum: float = 0.0,
        l2: float = 0.0,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.visible = visible
        self.persistent = persistent
        self.k = k
        self.momentum = momentum
        self.l2 = l2

    def fit(self, X: Any, y: Any = None) -> Self:
        """Trains a new machine on X, (n_samples, n_features); y is ignored.

        Raises:
            TypeError, ValueError: invalid data, such as X outside [0, 1] for Bernoulli units, or an argument out of
                range; the estimator is unchanged.
        """
        return self._fit(X, reset=True, epochs=positive_integer("RBM", "n_iter", self.n_iter))

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Trains for one epoch on X; the first call makes a new machine, further calls continue. Raises as `fit`."""
        return self._fit(X, reset=not hasattr(self, "model_"), epochs=1)

    def transform(self, X: Any) -> Array:
        """The probabilities of the hidden units, float32 (n_samples, n_components).

        Raises:
            NotFittedError: before fit.
            TypeError, ValueError: as `fit`, other columns than in fit.
        """
        v = self._visible_units(X)
        h: Array = training.predict(self.model_, v)
        return h

    def inverse_transform(self, X: Any) -> Array:
        """The means of the visible units given hidden ones: (n_samples, n_components) to (n_samples, n_features)."""
        check_is_fitted(self, "model_")
        h = np.require(X, np.float32, ["C"])
        wanted = len(self.model_.hidden_bias)
        if h.ndim != 2 or h.shape[1] != wanted:
            raise ValueError(f"RBM: inverse_transform: X has shape {h.shape}, must be (n_samples, {wanted})")
        return self._as_given(self.model_.visible_mean(h))

    def gibbs(self, v: Any) -> Array:
        """Visible units after one step of Gibbs sampling from v, (n_samples, n_features)."""
        h = self.model_.sample_hidden(self._visible_units(v), self._rng)
        return self._as_given(self.model_.sample_visible(h, self._rng))

    def score_samples(self, X: Any) -> Array:
        """``log p(X) + log Z`` of each example, the negative free energy, float64 (n_samples,).

        It compares examples under one machine; two machines have different Z. scikit-learn's ``BernoulliRBM`` returns a
        random estimate of the pseudo-likelihood instead, as `pretraining.RBM.pseudo_log_likelihood` does.
        """
        v = self._visible_units(X)
        return -np.concatenate([self.model_.free_energy(v[rows]) for rows in chunks(len(v), CHUNK)])

    @property
    def components_(self) -> Array:
        return np.ascontiguousarray(self._machine("components_").kernel.numpy().T)

    @property
    def intercept_hidden_(self) -> Array:
        return np.array(self._machine("intercept_hidden_").hidden_bias.numpy())

    @property
    def intercept_visible_(self) -> Array:
        return np.array(self._machine("intercept_visible_").visible_bias.numpy())

    def _machine(self, name: str) -> pretraining.RBM:
        if "model_" not in vars(self):
            raise AttributeError(f"RBM: has no {name} before fit")
        model: pretraining.RBM = self.model_
        return model

    @property
    def _n_features_out(self) -> int:
        return int(self.model_.n_hidden)

    def _fit(self, X: Any, reset: bool, epochs: int) -> Self:
        with whole(self):
            self._train(X, reset, epochs)
        return self

    def _train(self, X: Any, reset: bool, epochs: int) -> None:
        x = validated(self, X, reset=reset, sparse=False)
        if reset:
            self._begin(x)
        v = self._standardized(x)
        history = pretraining.train(
            self._objective,
            v,
            optimizer=self._optimizer,
            epochs=epochs,
            batch_size=min(positive_integer("RBM", "batch_size", self.batch_size), len(v)),
            rng=self._rng,
            progress=bool(self.verbose),
        )
        self.loss_curve_ = self.loss_curve_ + history["loss"]
        self.n_iter_ += len(history)

    def _begin(self, x: Array) -> None:
        """A new machine, whose visible biases explain the data without hidden units."""
        kind = among(self, "visible", ["auto", "bernoulli", "gaussian"])
        if kind == "auto":
            kind = "bernoulli" if x.min() >= 0 and x.max() <= 1 else "gaussian"
        self.mean_, self.scale_ = np.zeros(x.shape[1]), np.ones(x.shape[1])
        if kind == "gaussian":
            self.mean_, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
            self.scale_ = np.where(scale > 10 * np.finfo(scale.dtype).eps * np.abs(self.mean_), scale, 1.0)
        self.visible_ = kind
        rate = self.learning_rate
        if isinstance(rate, str):
            among(self, "learning_rate", ["auto"])
            rate = 0.1 if kind == "bernoulli" else 0.01
        rng, l2 = generator_of(self.random_state), number("RBM", "l2", self.l2)
        rbm = pretraining.RBM(
            x.shape[1], self.n_components, kind, kernel_regularizer=nn.l2(l2) if l2 else None, rng=rng
        )
        rbm.center(self._standardized(x))
        chains = positive_integer("RBM", "batch_size", self.batch_size)
        objective = pretraining.ContrastiveDivergence(rbm, self.k, bool(self.persistent), chains, rng=rng)
        self._optimizer = optim.SGD(rbm.parameters(), number("RBM", "learning_rate", rate), self.momentum)
        self._rng, self._objective, self.model_ = rng, objective, rbm
        self.loss_curve_, self.n_iter_ = [], 0

    def _visible_units(self, X: Any) -> Array:
        check_is_fitted(self, "model_")
        return self._standardized(validated(self, X, reset=False, sparse=False))

    def _standardized(self, x: Array) -> Array:
        """X as the machine takes it."""
        if self.visible_ == "gaussian":
            x = (x - self.mean_) / self.scale_
        elif x.size and (x.min() < 0 or x.max() > 1):
            raise ValueError(
                f"RBM: X is between {x.min():g} and {x.max():g}, must be in [0, 1] for Bernoulli units; scale it by "
                "sklearn.preprocessing.MinMaxScaler(clip=True), or fit with visible='gaussian'"
            )
        narrow: Array = narrowed("RBM", x)
        return narrow

    def _as_given(self, v: Array) -> Array:
        """Visible units in the units of X."""
        return v if self.visible_ == "bernoulli" else (v * self.scale_ + self.mean_).astype(np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
