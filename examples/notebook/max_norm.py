"""Max-norm: after each step, the rows of both hidden kernels are scaled back to a norm of at most 1.

The notebook's code clips the rows (axis 1); axis 0 would bound the incoming weights of each unit, as in the chapter's
text. 784-300-50-10 ReLU, momentum 0.9 at 0.01, batches of 50, 20 epochs.

    python examples/notebook/max_norm.py --seeds 1
"""

import sys

from minidnn import cli, nn, optim, training
from minidnn.data import Splits

PUBLISHED = {1: 0.9587, 20: 0.9832}
EPOCHS = 20


def run(mnist: Splits, epochs: int = EPOCHS, progress: bool = True) -> list[float]:
    max_norm = nn.max_norm(1.0, axis=1)
    model = nn.Sequential(
        nn.Dense(784, 300, activation="relu", kernel_constraint=max_norm, name="hidden1"),
        nn.Dense(300, 50, activation="relu", kernel_constraint=max_norm, name="hidden2"),
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
    sys.exit(cli.main(["reproduce", "max-norm", *sys.argv[1:]]))
