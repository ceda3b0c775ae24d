"""Checks before the first update that model, data, loss and optimizer fit together."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn import ops
from minidnn.data.datasets import Dataset, Subset, same_meaning
from minidnn.data.meaning import meaning_of
from minidnn.data.targets import Targets, as_targets, each, parts_of
from minidnn.nn import Graph, Module, Sequential
from minidnn.nn.takes import bad_values, mismatch, takes_of, unwrapped
from minidnn.nn.temporarily import modes_kept
from minidnn.optim import Optimizer
from minidnn.recording import no_grad
from minidnn.reference.types import Array
from minidnn.tensor import Tensor
from minidnn.training.inputs import inputs_fault
from minidnn.training.metrics import Metric, arrays_of, as_number

OWN = "minidnn.nn."
SOME = 64
"""Number of examples that metrics are tried on; each class adds at most one."""
FINAL = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
"""Layer class -> activation, for activations that a loss may contain."""
ACTIVATIONS = {"sigmoid": "sigmoid", "softmax": "softmax"}


def check_data(owner: str, model: Module, dataset: Dataset, loss: Any, train: Dataset | None = None) -> None:
    """Checks that the data are finite, fit the loss and have the columns and classes of ``train``.

    Raises:
        TypeError: the loss is not a function; targets that are not numbers.
        ValueError: any other fault.
    """
    if not callable(loss):
        raise TypeError(
            f"{owner}: loss is {loss!r}, must be a function (outputs, targets) -> Tensor, such as nn.mean_squared_error"
        )
    if train is not None and train is not dataset:
        same_meaning(owner, train, dataset)
    y = as_targets(owner, dataset.y, len(dataset))
    check_inputs(owner, model, dataset)
    dataset.check_finite(owner)
    description, name = takes_of(loss), _name(loss)
    if description is None:
        return
    if isinstance(y, tuple):
        raise ValueError(
            f"{owner}: {name} takes one target, the data set has {len(y)}; give a loss of your own, such as "
            "lambda outputs, y: nn.mean_squared_error(outputs[0], y[0]) + ..."
        )
    if description.activation and final_activation(model) == description.activation:
        raise ValueError(
            f"{owner}: the model ends in a {description.activation}, and {name} has one of its own; leave out the "
            "model's last activation, such as by model[:-1], and apply it in training.predict(activation=...)"
        )
    if fault := bad_values(name, description, y):
        raise ValueError(f"{owner}: {fault}")


def check_column_order(owner: str, model: Module, columns: Sequence[str]) -> None:
    """Raises a ValueError if the columns come in another order than in the training data of the model."""
    known = meaning_of(model)
    if known and known.columns and tuple(columns) != known.columns and sorted(columns) == sorted(known.columns):
        raise ValueError(
            f"{owner}: the columns come in another order than in the model's training data; give them in the "
            "order of model.meaning.columns, such as df[list(model.meaning.columns)], or read them with "
            "like=model.meaning"
        )


def check_inputs(owner: str, model: Module, dataset: Dataset) -> None:
    """Raises a ValueError unless the model takes as many inputs as the data set has."""
    if len(dataset) and (fault := inputs_fault(model, len(parts_of(dataset[:1].inputs)))):
        raise ValueError(f"{owner}: {fault}")


def check_shapes(owner: str, loss: Any, outputs: Any, y: Targets) -> None:
    """Raises a ValueError unless the loss takes outputs of this shape with these targets."""
    description, name = takes_of(loss), _name(loss)
    if description is None:
        return
    if not isinstance(outputs, Tensor):
        raise ValueError(
            f"{owner}: {name} takes one output, the model gives {type(outputs).__name__}; give a loss of your own"
        )
    if fault := mismatch(name, description, outputs.shape, y):
        raise ValueError(f"{owner}: {fault}")


def check_model(owner: str, model: Module, dataset: Dataset, loss: Any) -> None:
    """Checks that the model takes the inputs, and that the loss takes its outputs with these targets.

    Runs the model on the first two examples in evaluation mode. Skipped for a model with layers from outside minidnn,
    whose forward may count, print or draw random numbers; there the loss raises in the first step, still before the
    first update.
    """
    if takes_of(loss) is None or not _is_own(model):
        return
    y = each(as_targets(owner, dataset.y), lambda part: part[:2])
    x = parts_of(dataset[:2].inputs)
    try:
        outputs = _outputs(model, x)
    except TypeError as error:
        if any(part.dtype == np.int64 for part in x):
            raise TypeError(
                f"{owner}: {error}. int64 inputs are word indices; give x.astype(np.float32) for numbers"
            ) from error
        raise
    check_shapes(owner, loss, outputs, y)
    description = takes_of(loss)
    if description is not None and description.kind == "classes":
        whole = as_targets(owner, dataset.y)
        if fault := bad_values(_name(loss), description, whole, outputs.shape[1]):
            raise ValueError(f"{owner}: {fault}; the model has {outputs.shape[1]} outputs")


def check_metrics(owner: str, model: Module, dataset: Dataset, metrics: Sequence[Metric]) -> None:
    """Checks that each metric returns a number on a few examples, at least one of every class.

    Runs the model in evaluation mode; skipped for a model with layers from outside minidnn, as in `check_model`.

    Raises:
        TypeError: a metric does not return a number.
        ValueError: a metric raises an error.
    """
    if not metrics or not len(dataset) or not _is_own(model):
        return
    some = Subset(dataset, _some(as_targets(owner, dataset.y), len(dataset)))
    outputs = arrays_of(_outputs(model, parts_of(some.inputs)))
    for metric in map(copy.deepcopy, metrics):
        metric.reset()
        try:
            metric.update(outputs, some.y)
            value = metric.compute()
        except Exception as error:
            if isinstance(error, TypeError) and str(error).startswith("metric "):
                raise TypeError(f"{owner}: {error}") from None
            raise ValueError(
                f"{owner}: metric {metric.name!r} raises {type(error).__name__} on {len(some)} of the training "
                f"examples, before the first update: {error}"
            ) from error
        as_number(metric.name, value)


def _some(y: Targets, n: int) -> Array:
    """Indices of a few examples spread over the data set, at least one of each class or label."""
    places = [np.linspace(0, n - 1, min(n, SOME)).astype(np.int64)]
    for part in parts_of(y):
        for column in part.reshape(n, -1).T[:SOME]:
            values, first = np.unique(column, return_index=True)
            if len(values) <= SOME:
                places.append(first)
    return np.unique(np.concatenate(places))


def _is_own(model: Module) -> bool:
    return all(type(part).__module__.startswith(OWN) for _, part in model.named_modules())


def _outputs(model: Module, x: Sequence[Any]) -> Any:
    with modes_kept(model), no_grad():
        model.eval()
        return model(*x)


def check_optimizer(owner: str, model: Module, optimizer: Optimizer) -> None:
    """Refuses an optimizer that holds no parameter of the model; warns about parameters that it does not hold.

    Raises:
        TypeError: not an optimizer.
        ValueError: it holds none of the model's parameters.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{owner}: optimizer is {optimizer!r}, must be one of minidnn.optim, such as optim.Adam(model.parameters())"
        )
    held = {id(track.param) for track in optimizer.tracks()}
    named = list(model.named_parameters())
    if named and not any(id(param) in held for _, param in named):
        raise ValueError(
            f"{owner}: the optimizer holds no parameter of the model; make it for this model, after it was built, "
            "loaded or copied: optim.Adam(model.parameters())"
        )
    if left := [path for path, param in named if param.requires_grad and id(param) not in held]:
        warnings.warn(
            f"{owner}: the optimizer does not hold {', '.join(left[:5])}{', ...' if len(left) > 5 else ''}, which will "
            "not be trained; give it all of model.parameters(), or freeze them by reuse.freeze",
            stacklevel=3,
        )


def final_activation(model: Any) -> str | None:
    """The activation in which a model ends: "softmax" or "sigmoid", or None."""
    if isinstance(model, Sequential):
        return final_activation(model.layers[-1]) if model.layers else None
    if isinstance(model, Graph):
        nodes = {node.name: node.part for node in model.nodes}
        last = model.nodes[-1].name if model.output is None else model.output
        return final_activation(nodes.get(last)) if isinstance(last, str) else None
    if type(model).__name__ in FINAL and isinstance(model, Module):
        return FINAL[type(model).__name__]
    activation = getattr(model, "activation", None)
    if activation is ops.softmax:
        return "softmax"
    return ACTIVATIONS.get(activation) if isinstance(activation, str) else None


def _name(loss: Any) -> str:
    return getattr(unwrapped(loss), "__name__", type(loss).__name__)
