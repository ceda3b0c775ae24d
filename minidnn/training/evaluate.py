"""Loss and metrics of a model on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidnn.checks import positive_integer
from minidnn.data import Dataset
from minidnn.data.datasets import same_meaning
from minidnn.data.meaning import meaning_of
from minidnn.data.stacking import as_dataset
from minidnn.data.targets import Targets, as_targets, each, parts_of
from minidnn.nn import Module, softmax_cross_entropy
from minidnn.nn.temporarily import modes_kept
from minidnn.parallel import World
from minidnn.recording import no_grad
from minidnn.training.checks import check_data, check_shapes
from minidnn.training.metrics import Metric, arrays_of, as_metrics
from minidnn.training.run import Callback, Loss, Run


class Evaluation(tuple[float, ...]):
    """The mean loss over the examples, and the metrics, by name: ``result.loss``, ``result["accuracy"]``.

    Unpacks in that order: ``loss, accuracy = evaluate(...)``.
    """

    names: tuple[str, ...]

    def __new__(cls, **values: float) -> Evaluation:
        made = super().__new__(cls, (float(value) for value in values.values()))
        made.names = tuple(values)
        return made

    def __getattr__(self, name: str) -> float:
        if name in self.__dict__.get("names", ()):
            return self[self.names.index(name)]
        known = ", ".join(self.__dict__.get("names", ()))
        raise AttributeError(f"Evaluation: there is no {name!r}; there are {known}")

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, key) if isinstance(key, str) else super().__getitem__(key)

    def __reduce__(self) -> Any:
        return _evaluation, (self._asdict(),)

    def _asdict(self) -> dict[str, float]:
        return dict(zip(self.names, self, strict=True))

    def __repr__(self) -> str:
        return f"Evaluation({', '.join(f'{name}={value:.6g}' for name, value in self._asdict().items())})"


def _evaluation(values: dict[str, float]) -> Evaluation:
    return Evaluation(**values)


def evaluate(
    model: Module,
    dataset: Any,
    loss: Loss = softmax_cross_entropy,
    batch_size: int = 1000,
    *,
    metrics: Any = None,
) -> Evaluation:
    """Computes loss and metrics in evaluation mode, without gradients; restores the model's mode.

    Args:
        dataset: a data set, or a pair of arrays ``(x, y)``; see `minidnn.data`. If x is a data frame, its columns are
            selected by the names that the model was trained on.
        loss: ``(outputs, targets) -> scalar Tensor``; penalties are not added.
        batch_size: examples per forward pass, at least 1.
        metrics: functions ``f(outputs, targets) -> number`` of all examples, `training.Metric` objects, or a mapping
            of names to functions; None: chosen by the loss.

    Returns:
        An `Evaluation`: the mean loss over the examples, then the metrics.

    Raises:
        TypeError: data, loss or metrics of another type.
        ValueError: the data set is empty; batch_size < 1; an input or target is not finite; the targets do not fit the
            outputs or the loss (the message names a loss that fits); the model ends in an activation that the loss
            applies itself.
    """
    batch_size = positive_integer("evaluate", "batch_size", batch_size)
    meaning = meaning_of(model)
    dataset = as_dataset("evaluate", dataset, like=meaning)
    if not len(dataset):
        raise ValueError("evaluate: the data set is empty")
    if meaning is not None:
        same_meaning("evaluate", meaning, dataset)
    check_data("evaluate", model, dataset, loss)
    return measured(model, dataset, loss, as_metrics("evaluate", metrics, loss, dataset.y), batch_size)


def measured(
    model: Module,
    dataset: Dataset,
    loss: Loss,
    metrics: Sequence[Metric],
    batch_size: int = 1000,
    world: World | None = None,
) -> Evaluation:
    """As `evaluate`, for a data set that was checked before.

    Args:
        world: the processes that share the batches; each gets the same result as a single process, to the byte.
    """
    y = as_targets("evaluate", dataset.y, len(dataset))
    total, world = 0.0, world or World()
    for metric in metrics:
        metric.reset()
    batches = [slice(start, start + batch_size) for start in range(0, len(dataset), batch_size)]
    with modes_kept(model), no_grad():
        model.eval()
        for first in range(0, len(batches), world.size):
            now = batches[first : first + world.size]
            own = _of_batch(model, dataset, y, loss, now[world.rank]) if world.rank < len(now) else None
            for place, made in zip(now, world.gather(own), strict=False):
                assert made is not None
                value, arrays = made
                total += value * len(range(len(dataset))[place])
                for metric in metrics:
                    metric.update(arrays, _rows(y, place))
    return Evaluation(loss=total / len(dataset), **{metric.name: metric.compute() for metric in metrics})


def _of_batch(model: Module, dataset: Dataset, y: Targets, loss: Loss, place: slice) -> tuple[float, Any]:
    """The loss and the outputs of a batch."""
    targets = _rows(y, place)
    outputs = model(*parts_of(dataset[place].inputs))
    if not place.start:
        check_shapes("evaluate", loss, outputs, targets)
    return loss(outputs, targets).item(), arrays_of(outputs)


def _rows(y: Targets, place: slice) -> Targets:
    return each(y, lambda array: array[place])


def measured_in(run: Run, dataset: Dataset, prefix: str) -> dict[str, float]:
    """Loss and metrics of the run on a data set, as columns with a prefix."""
    values = measured(run.model, dataset, run.loss_function, run.new_metrics(), world=run.world)
    return {f"{prefix}{name}": value for name, value in values._asdict().items()}


class Evaluate(Callback):
    """Evaluates one more data set after each epoch: columns ``NAME_loss``, ``NAME_accuracy``, ... of the history.

    Shows the test set over the epochs; select models on the validation set (``fit(valid=...)``) only.

    Args:
        dataset: a data set or a pair of arrays ``(x, y)``.
        name: prefix of the columns.

    Raises:
        TypeError: data of another type.
        ValueError: the data set is empty; at the start of fit: as `evaluate`, or classes or columns that differ from
            the training set.
    """

    observer = True

    def __init__(self, dataset: Any, name: str = "test") -> None:
        self.dataset, self.name = as_dataset("Evaluate", dataset), name
        if not len(self.dataset):
            raise ValueError("Evaluate: the data set is empty")

    def on_fit_begin(self, run: Run) -> None:
        check_data("Evaluate", run.model, self.dataset, run.loss_function, run.train)

    def columns(self, run: Run) -> list[str]:
        return [f"{self.name}_{column}" for column in run.measures]

    def on_epoch_end(self, run: Run) -> None:
        run.row |= measured_in(run, self.dataset, f"{self.name}_")
