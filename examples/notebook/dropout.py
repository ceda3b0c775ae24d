"""Dropout: half of the inputs and half of each hidden layer's units are dropped in every training step.

784-300-50-10 ReLU, momentum 0.9 at 0.01, batches of 50, 20 epochs.

    python examples/notebook/dropout.py --seeds 1
"""

import sys

from minidnn import cli, nn, optim, training
from minidnn.data import Splits

PUBLISHED = {1: 0.9214, 20: 0.9729}
EPOCHS = 20


def run(mnist: Splits, epochs: int = EPOCHS, progress: bool = True) -> list[float]:
    model = nn.Sequential(
        nn.Dropout(0.5),
        nn.Dense(784, 300, activation="relu", name="hidden1"),
        nn.Dropout(0.5),
        nn.Dense(300, 50, activation="relu", name="hidden2"),
        nn.Dropout(0.5),
        nn.Dense(50, 10, name="outputs"),
    )
    history = training.fit(
        model,
        mnist.train,
        optimizer=optim.SGD(model.parameters(), lr=0.01, momentum=0.9),
        epochs=epochs,
        batch_size=50,
        callbacks=[training.Evaluate(mnist.test, "test")],
        progress=progress,
    )
    return history["test_accuracy"]


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "dropout", *sys.argv[1:]]))
