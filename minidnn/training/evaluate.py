"""How good a model is on a data set."""

from __future__ import annotations

from typing import NamedTuple

from minidnn.checks import positive_integer
from minidnn.data import Dataset
from minidnn.nn import Module, accuracy, softmax_cross_entropy
from minidnn.recording import no_grad
from minidnn.training.run import Callback, Loss, Run


class Evaluation(NamedTuple):
    """The mean loss over the examples, and the share of them whose largest logit is the label's."""

    loss: float
    accuracy: float


def evaluate(model: Module, dataset: Dataset, loss: Loss = softmax_cross_entropy, batch_size: int = 1000) -> Evaluation:
    """Loss and accuracy in evaluation mode, without recording; the model's mode is put back.

    Raises:
        ValueError: the data set is empty, or batch_size < 1.
    """
    batch_size = positive_integer("evaluate", "batch_size", batch_size)
    if not len(dataset):
        raise ValueError("evaluate: the data set is empty")
    modes = [(module, module.training) for _, module in model.named_modules()]
    total_loss = total_accuracy = 0.0
    try:
        model.eval()
        with no_grad():
            for start in range(0, len(dataset), batch_size):
                part = dataset[start : start + batch_size]
                logits = model(part.inputs)
                total_loss += loss(logits, part.y).item() * len(part)
                total_accuracy += accuracy(logits, part.y) * len(part)
    finally:
        for module, mode in modes:
            module.training = mode
    return Evaluation(total_loss / len(dataset), total_accuracy / len(dataset))


class Evaluate(Callback):
    """Evaluates one more data set after each epoch: columns ``NAME_loss`` and ``NAME_accuracy`` of the history.

    For a look at the test set over the epochs; choose by the validation set (``fit(valid=...)``) alone.

    Raises:
        ValueError: the data set is empty.
    """

    observer = True

    def __init__(self, dataset: Dataset, name: str = "test") -> None:
        if not len(dataset):
            raise ValueError("Evaluate: the data set is empty")
        self.dataset, self.name = dataset, name

    def on_epoch_end(self, run: Run) -> None:
        result = evaluate(run.model, self.dataset, run.loss_function)
        run.row[f"{self.name}_loss"], run.row[f"{self.name}_accuracy"] = result
