"""From scikit-learn's multilayer perceptrons."""

from __future__ import annotations

from typing import Any

from minidnn import nn
from minidnn.activations import ACTIVATIONS
from minidnn.convert.building import ConversionError, as_array, dense, sequential

NAMES: dict[str, str | None] = {row.sklearn: row.name for row in ACTIVATIONS.values() if row.sklearn}
NAMES["identity"] = None
OUTPUTS: dict[str, type[nn.Softmax | nn.Sigmoid] | None] = {
    "identity": None,
    "softmax": nn.Softmax,
    "logistic": nn.Sigmoid,
}


def from_sklearn(estimator: Any) -> nn.Sequential:
    """The network of a fitted ``MLPClassifier`` or ``MLPRegressor``, in evaluation mode.

    The layers are hidden1, hidden2, ..., outputs. A classifier has one more layer, probabilities: a softmax, or a
    sigmoid for multilabel targets and for two classes, where the only column is the probability of ``classes_[1]``.
    ``model[:-1]`` gives the logits that `nn.softmax_cross_entropy` takes. Weights become float32.

    Raises:
        TypeError: estimator has the wrong type.
        ConversionError: the estimator is not fitted.
    """
    kinds = {base.__name__ for base in type(estimator).__mro__ if base.__module__.startswith("sklearn.")}
    if not kinds & {"MLPClassifier", "MLPRegressor"}:
        raise TypeError(
            f"from_sklearn: estimator must be an MLPClassifier or MLPRegressor, got {type(estimator).__name__}"
        )
    if not hasattr(estimator, "coefs_"):
        raise ConversionError(f"from_sklearn: the {type(estimator).__name__} is not fitted yet")
    if estimator.activation not in NAMES:
        raise ConversionError(f"from_sklearn: activation {estimator.activation!r} is not supported")
    if estimator.out_activation_ not in OUTPUTS:
        raise ConversionError(f"from_sklearn: output activation {estimator.out_activation_!r} is not supported")
    names = [f"hidden{i}" for i in range(1, len(estimator.coefs_))] + ["outputs"]
    layers: list[nn.Module] = []
    for name, kernel, bias in zip(names, estimator.coefs_, estimator.intercepts_, strict=True):
        activation = None if name == "outputs" else NAMES[estimator.activation]
        layers.append(dense(as_array(f"{name}.kernel", kernel), as_array(f"{name}.bias", bias), activation, name))
    model, last = sequential(layers), OUTPUTS[estimator.out_activation_]
    # A layer of its own, so that model[:-1] gives the logits.
    return model if last is None else nn.Sequential(*model, last(name="probabilities")).eval()
