"""A scikit-learn classifier: one label or several per example."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from minidnn import nn, ops
from minidnn.checks import number
from minidnn.reference.types import Array
from minidnn.sklearn.perceptron import Perceptron
from minidnn.sklearn.weights import by_class
from minidnn.tensor import Tensor


class MLPClassifier(ClassifierMixin, Perceptron):
    """A multilayer perceptron that classifies, with scikit-learn's interface.

    ``p = softmax(network(x))``; for two classes, and for several labels at once, ``p = 1 / (1 + exp(-network(x)))``.
    The loss is the cross-entropy. Arguments that ``sklearn.neural_network.MLPClassifier`` has mean what they mean
    there::

        >>> from sklearn.datasets import load_iris
        >>> from minidnn.sklearn import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> network = MLPClassifier([20], batch_norm=True, learning_rate_init=0.01, random_state=0).fit(X, y)
        >>> bool(network.score(X, y) > 0.95)
        True

    Args:
        hidden_layer_sizes: the sizes of the hidden layers, at least one.
        activation: of the hidden layers: a name of `minidnn.activations`, or scikit-learn's "logistic", "identity".
        solver: the optimizer: "sgd", "adam", "adamw", "nadam", "adamax", "rmsprop", "adagrad" or "lion".
        alpha: the penalty ``alpha / 2 * sum(w**2)`` on all kernels, divided by the examples per update; for "adamw" the
            weight decay.
        l1: the penalty ``l1 * sum(|w|)``, also divided by the examples per update.
        batch_size: examples per update; "auto" for ``min(200, n_samples)``.
        learning_rate: the schedule. "constant"; "invscaling", ``learning_rate_init / (1 + examples seen)**power_t``;
            "adaptive", divided by 5 after ``n_iter_no_change`` epochs without improvement; or over ``max_iter`` epochs
            "exponential" (to a hundredth), "cosine" (to 0) or "one_cycle" (rises from 1/25, then falls).
        learning_rate_init: the initial rate; for "one_cycle" the peak.
        max_iter: maximum number of epochs.
        random_state: None, an integer or a ``numpy.random.RandomState``.
        tol, n_iter_no_change: the fit ends after more than n_iter_no_change epochs in a row that each improved by less
            than tol; ``math.inf``: never.
        verbose: show a progress bar.
        warm_start: continue from the previous fit.
        momentum, nesterovs_momentum: for "sgd".
        beta_1, beta_2, epsilon: for the Adam family.
        early_stopping: hold out a share ``validation_fraction`` of the examples, stratified by class; end when its
            accuracy stops improving, and keep the best network. The accuracy is not weighted; for several labels it is
            the share of correct labels.
        class_weight: None, "balanced", or a dict class -> weight; not for several labels.
        label_smoothing: in [0, 1), as `nn.softmax_cross_entropy`.
        dropout: the rate after each hidden layer, in [0, 1); half of it on the inputs.
        batch_norm: normalize each hidden layer before its activation.
        kernel_initializer: of the hidden layers, a name of `minidnn.nn.initializers`; "auto": Glorot's uniform, as in
            scikit-learn, or LeCun's for "selu". For many layers of ReLU or ELU use "he_normal".
        max_norm: upper bound of the norm of each hidden unit's incoming weights.
        clip_norm: upper bound of the norm of all gradients.
        precision: of the fit: "float32"; "float64", which runs NumPy kernels and is several times slower; "auto":
            float64 if X is float64 and fits into one batch. In float64 an integer weight has the same effect as that
            many repetitions of the example. The fitted network always has float32 weights.

    Attributes:
        model_: the fitted network, an `nn.Sequential` that gives logits; `minidnn.save` and `minidnn.deploy` take it.
        classes_: the labels, in the order of the probabilities; for several labels their indices.
        n_features_in_, feature_names_in_: of X.
        n_outputs_, n_layers_, out_activation_: of the network.
        loss_curve_, loss_, best_loss_: the loss of each epoch, of the last and of the best one.
        validation_scores_, best_validation_score_: with early_stopping.
        n_iter_, t_: epochs and examples seen.
        coefs_, intercepts_: copies of the dense layers' kernels and biases.
    """

    _score = "valid_accuracy"
    _announced: Any = None  # the classes that were given to the first partial_fit

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: str = "relu",
        *,
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
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
        batch_norm: bool = False,
        kernel_initializer: str = "auto",
        max_norm: float | None = None,
        clip_norm: float | None = None,
        precision: str = "auto",
    ) -> None:
        self.class_weight, self.label_smoothing = class_weight, label_smoothing
        self._keep(locals())

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Trains for one epoch on these examples; the first call makes a new network, further calls continue.

        Args:
            X, y, sample_weight: as for `fit`.
            classes: all labels of all calls; required in the first call, unless y has several labels per example.

        Raises:
            TypeError, ValueError: as `fit`; classes are missing or differ from those of the first call;
                early_stopping=True, or a schedule over max_iter epochs.
        """
        fitted = hasattr(self, "model_")
        if classes is not None:
            given = np.unique(np.asarray(classes))
            if fitted and not np.array_equal(given, self.classes_):
                raise ValueError(f"{self._owner}: partial_fit: classes is {given}, must be {self.classes_} as before")
            self._announced = given
        elif not fitted and type_of_target(y, input_name="y") != "multilabel-indicator":
            raise ValueError(
                f"{self._owner}: classes must be passed on the first call to partial_fit; give classes=np.unique(y) "
                "of all y there will be"
            )
        try:
            return self._partial_fit(X, y, sample_weight)
        finally:
            self._announced = None

    def predict(self, X: Any) -> Array:
        """The most probable label of each example, (n_samples,); of several labels those with ``p > 0.5``, as 0 and 1.

        Raises:
            NotFittedError: before fit.
            TypeError, ValueError: as `fit`, other columns than in fit.
        """
        p = self.predict_proba(X)
        if self._several:
            return (p > 0.5).astype(np.int64)
        answers: Array = self.classes_[p.argmax(axis=1)]
        return answers

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (n_samples, n_classes), or of each label; raises as `predict`."""
        outputs = Tensor(self._predict(X))
        p: Array = (ops.softmax if self.out_activation_ == "softmax" else ops.sigmoid)(outputs).numpy()
        return np.hstack([1 - p, p]) if p.shape[1] == 1 else p

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _targets(self, y: Any, reset: bool) -> Array:
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            return self._labels(y, reset)
        if kind == "multiclass-multioutput":
            raise ValueError(f"{self._owner}: y has several classes an example, must have one, or labels of 0 and 1")
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if reset:
            self._begin_classes(np.unique(y) if self._announced is None else self._announced)
        elif self._several:
            raise ValueError(f"{self._owner}: y has one label an example, must have {self.n_outputs_} as before")
        found = np.unique(y)
        if unknown := [label for label in found.tolist() if label not in set(self.classes_.tolist())]:
            raise ValueError(f"{self._owner}: y has the class {unknown[0]!r}, must be of the classes {self.classes_}")
        codes: Array = np.searchsorted(self.classes_, y).astype(np.int64)
        return codes

    def _begin_classes(self, classes: Any) -> None:
        if len(classes) < 2:
            raise ValueError(f"{self._owner}: y has only one class, {classes[0]!r}; a classifier needs two at least")
        self.classes_, self._several = classes, False
        self.n_outputs_ = 1 if len(classes) == 2 else len(classes)
        self.out_activation_ = "logistic" if len(classes) == 2 else "softmax"

    def _labels(self, y: Any, reset: bool) -> Array:
        """Several labels: integers of 0 and 1."""
        y = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        if reset:
            self.classes_, self._several = np.arange(y.shape[1]), True
            self.n_outputs_, self.out_activation_ = y.shape[1], "logistic"
        elif not self._several or y.shape[1] != self.n_outputs_:
            raise ValueError(f"{self._owner}: y has {y.shape[1]} labels an example, not as before")
        return y.astype(np.int64)

    def _weighted(self, targets: Array, weights: Array | None) -> Array | None:
        if self.class_weight is not None and self._several:
            raise ValueError(f"{self._owner}: class_weight needs one label an example; give sample_weight to fit")
        return by_class(self.class_weight, self.classes_, targets, weights)

    def _loss(self) -> Any:
        loss = nn.softmax_cross_entropy if self.out_activation_ == "softmax" else nn.sigmoid_cross_entropy
        smoothing = number(self._owner, "label_smoothing", self.label_smoothing, below=1.0)
        return partial(loss, label_smoothing=smoothing) if smoothing else loss

    def _classes(self) -> tuple[str, ...]:
        return () if self._several else tuple(map(str, self.classes_.tolist()))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
