"""l1 regularization by layer: every layer gets a regularizer, by ``functools.partial``.

784-300-50-10 ReLU, l1(0.001) on all three kernels, plain gradient descent at 0.01, batches of 200, 20 epochs.

    python examples/notebook/l1_per_layer.py --seeds 1
"""

import sys
from functools import partial

from minidnn import cli, nn, optim, training
from minidnn.data import Splits

PUBLISHED = {1: 0.8307, 20: 0.9186}
EPOCHS = 20


def run(mnist: Splits, epochs: int = EPOCHS, progress: bool = True) -> list[float]:
    dense = partial(nn.Dense, activation="relu", kernel_regularizer=nn.l1(0.001))
    model = nn.Sequential(
        dense(784, 300, name="hidden1"),
        dense(300, 50, name="hidden2"),
        dense(50, 10, activation=None, name="outputs"),
    )
    history = training.fit(
        model,
        mnist.train,
        optimizer=optim.SGD(model.parameters(), lr=0.01),
        epochs=epochs,
        batch_size=200,
        callbacks=[training.Evaluate(mnist.test, "test")],
        progress=progress,
    )
    return history["test_accuracy"]


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "l1-per-layer", *sys.argv[1:]]))
